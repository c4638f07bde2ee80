//! Golden scripts: a small cluster of whole members, whose network, disks, clients and clock do what the script says.
//!
//! Time stands still except in `go`. A request is stepped and its effects are taken at once (`gather` puts that off);
//! messages and writes then wait until `deliver`, `persist`, `run` or `go`. Members agree on the state hash at every
//! applied index, always: the cluster panics otherwise.

mod chances;
mod cluster;
mod command;
mod parse;
mod script;
mod words;

use cluster::Cluster;
use command::Command;

test_each_file::test_each_path! { in "./engine/src/engine/testscripts" => run }

fn run(path: &std::path::Path) {
    goldenscript::run(&mut Cluster::default(), path).expect("the script can be read");
}

impl goldenscript::Runner for Cluster {
    type Command = Command;

    fn run(
        &mut self,
        command: &Command,
        _context: &goldenscript::Context,
    ) -> Result<String, Box<dyn std::error::Error>> {
        self.perform(command)?;
        Ok(std::mem::take(&mut self.out))
    }
}
