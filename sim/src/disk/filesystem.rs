//! The simulated filesystem of one disk: directories that name files, each with its live and its durable content.
//!
//! A directory's changes become durable when it is synced. A crash before that keeps any subset of them, applied in
//! their order; a rename is one change.

use super::image::{Image, Survival, SyncPoint};
use crate::random::Stream;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

/// A file or a directory, whatever its name.
pub(super) type Inode = u64;
const ROOT: Inode = 0;

#[derive(Clone, Debug)]
enum Node {
    Dir(Directory),
    File(Image),
}

#[derive(Clone, Debug, Default)]
struct Directory {
    live: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
    /// Since the last sync, in order.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, Inode),
    Unset(String),
    Rename(String, String, Inode),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Change::Set(name, inode) => drop(names.insert(name.clone(), *inode)),
            Change::Unset(name) => drop(names.remove(name)),
            Change::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Directory {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }
}

/// All directories and files of one disk.
#[derive(Debug)]
pub(super) struct SimFilesystem {
    nodes: BTreeMap<Inode, Node>,
    next: Inode,
}

impl SimFilesystem {
    pub(super) fn new() -> SimFilesystem {
        SimFilesystem { nodes: BTreeMap::from([(ROOT, Node::Dir(Directory::default()))]), next: ROOT + 1 }
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut dir = ROOT;
        for name in names(path) {
            dir = match self.dir(dir)?.live.get(&name) {
                Some(inode) => *inode,
                None => self.add(dir, name, Node::Dir(Directory::default()))?,
            };
        }
        self.dir(dir).map(|_| ())
    }

    pub(super) fn list(&mut self, path: &Path) -> io::Result<Vec<String>> {
        let dir = self.find(path)?;
        Ok(self.dir(dir)?.live.keys().cloned().collect())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<Inode> {
        let (dir, name) = self.parent(path)?;
        // A new file rather than an emptied one: whether the old bytes or none are found after a crash is the same
        // question as whether the directory's entry is the old or the new one.
        self.add(dir, name, Node::File(Image::default()))
    }

    pub(super) fn open(&mut self, path: &Path) -> io::Result<Inode> {
        let inode = self.find(path)?;
        self.file(inode).map(|_| inode)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        let ((from_dir, from), (to_dir, to)) = (self.parent(from)?, self.parent(to)?);
        assert_eq!(from_dir, to_dir, "a rename from one directory to another is outside the model");
        self.dir(from_dir)?.change(Change::Rename(from, to, inode));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        match self.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                let (dir, name) = self.parent(path)?;
                self.dir(dir)?.change(Change::Unset(name));
                Ok(())
            }
        }
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let dir = self.find(path)?;
        let dir = self.dir(dir)?;
        dir.pending.clear();
        dir.durable.clone_from(&dir.live);
        self.forget_nameless();
        Ok(())
    }

    pub(super) fn file(&mut self, inode: Inode) -> io::Result<&mut Image> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(image)) => Ok(image),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn finish_sync(&mut self, inode: Inode, point: SyncPoint) {
        // A file that was removed while its sync ran needs none.
        if let Some(Node::File(image)) = self.nodes.get_mut(&inode) {
            image.finish_sync(point);
        }
    }

    /// A whole file appears, durably.
    pub(super) fn leave(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let inode = self.create(path)?;
        let file = self.file(inode)?;
        file.write(0, bytes);
        let point = file.begin_sync();
        file.finish_sync(point);
        self.sync_dir(path.parent().unwrap_or(Path::new("/")))
    }

    /// The paths of all files that would be found after a crash.
    pub(super) fn durable_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, inode)) = open.pop() {
            match &self.nodes[&inode] {
                Node::File(_) => found.push(path),
                Node::Dir(dir) => {
                    open.extend(dir.durable.iter().map(|(name, inode)| (path.join(name), *inode)));
                }
            }
        }
        found
    }

    /// The machine goes down; what is found when it comes back is live and durable both.
    pub(super) fn lose_power(&mut self, stream: &mut Stream) {
        let survival = Survival::draw(stream);
        for node in self.nodes.values_mut() {
            match node {
                Node::File(image) => image.lose_power(stream, survival),
                Node::Dir(dir) => {
                    for change in std::mem::take(&mut dir.pending) {
                        if survival.keeps(stream) {
                            change.apply(&mut dir.durable);
                        }
                    }
                    dir.live.clone_from(&dir.durable);
                }
            }
        }
        self.forget_nameless();
    }

    /// Drops what no directory names, nor would after a crash.
    fn forget_nameless(&mut self) {
        let mut named = BTreeSet::from([ROOT]);
        for node in self.nodes.values() {
            let Node::Dir(dir) = node else { continue };
            named.extend(dir.live.values().chain(dir.durable.values()));
            named.extend(dir.pending.iter().filter_map(|change| match change {
                Change::Set(_, inode) | Change::Rename(_, _, inode) => Some(*inode),
                Change::Unset(_) => None,
            }));
        }
        self.nodes.retain(|inode, _| named.contains(inode));
    }

    fn add(&mut self, dir: Inode, name: String, node: Node) -> io::Result<Inode> {
        let inode = self.next;
        self.next += 1;
        self.nodes.insert(inode, node);
        self.dir(dir)?.change(Change::Set(name, inode));
        Ok(inode)
    }

    fn dir(&mut self, inode: Inode) -> io::Result<&mut Directory> {
        match self.nodes.get_mut(&inode) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn find(&mut self, path: &Path) -> io::Result<Inode> {
        let mut inode = ROOT;
        for name in names(path) {
            inode = *self.dir(inode)?.live.get(&name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(inode)
    }

    fn parent(&mut self, path: &Path) -> io::Result<(Inode, String)> {
        let name = names(path).pop().ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.dir(dir).map(|_| (dir, name))
    }
}

fn names(path: &Path) -> Vec<String> {
    let normal = path.components().filter(|part| matches!(part, Component::Normal(_)));
    normal.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    /// What a crash can leave under the names of `dir`, over many seeds.
    fn outcomes(change: impl Fn(&mut SimFilesystem)) -> Vec<Vec<String>> {
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let mut filesystem = SimFilesystem::new();
            change(&mut filesystem);
            filesystem.lose_power(&mut Seed(seed).stream("crash"));
            seen.insert(filesystem.list(Path::new("/")).unwrap());
        }
        seen.into_iter().collect()
    }

    #[test]
    fn a_new_name_is_certain_only_once_its_directory_is_synced() {
        let create = |filesystem: &mut SimFilesystem| _ = filesystem.create(Path::new("/a")).unwrap();
        assert_eq!(outcomes(create), [vec![], vec!["a".to_owned()]]);
        let durable = |filesystem: &mut SimFilesystem| {
            create(filesystem);
            filesystem.sync_dir(Path::new("/")).unwrap();
        };
        assert_eq!(outcomes(durable), [vec!["a".to_owned()]]);
    }

    #[test]
    fn a_rename_shows_one_name_or_the_other() {
        let rename = |filesystem: &mut SimFilesystem| {
            filesystem.create(Path::new("/old")).unwrap();
            filesystem.sync_dir(Path::new("/")).unwrap();
            filesystem.rename(Path::new("/old"), Path::new("/new")).unwrap();
        };
        assert_eq!(outcomes(rename), [vec!["new".to_owned()], vec!["old".to_owned()]]);
    }

    #[test]
    fn a_removed_file_may_come_back() {
        let remove = |filesystem: &mut SimFilesystem| {
            filesystem.create(Path::new("/a")).unwrap();
            filesystem.sync_dir(Path::new("/")).unwrap();
            filesystem.remove(Path::new("/a")).unwrap();
        };
        assert_eq!(outcomes(remove), [vec![], vec!["a".to_owned()]]);
    }
}
