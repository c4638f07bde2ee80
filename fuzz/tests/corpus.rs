//! What is kept of earlier hunts, run again: every seed and every find, through its target, within its bounds.

use std::path::Path;

#[test]
fn every_kept_input_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, run) in detcd_fuzz::TARGETS {
        let mut inputs: Vec<_> = std::fs::read_dir(corpus.join(name))
            .unwrap_or_else(|error| panic!("corpus/{name}: {error}"))
            .map(|entry| entry.expect("a directory that can be read").path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "corpus/{name} holds nothing");
        for path in inputs {
            println!("{}", path.display());
            let input = std::fs::read(&path).expect("a file that can be read");
            detcd_fuzz::cost::bounded(&input, run);
        }
    }
}
