//! What fuzzers have found worth keeping, run again without them.

use std::io;
use std::path::Path;

use quipu_disk::{Access, Disk, RealDisk, read_exact_at};

use super::Target;

/// No input of a corpus is larger.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// What was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Inputs.
    pub inputs: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// Gives a target every input of its corpus, the folder of its name in `corpora`.
///
/// # Errors
/// What was wrong, with the name of the input; a corpus that is missing or empty.
pub fn replay(target: &Target, corpora: &Path) -> Result<Replayed, String> {
    let folder = corpora.join(target.name);
    let disk = RealDisk::new();
    let named = |error: io::Error| format!("{}: {error}", folder.display());
    let names = disk.list(&folder).map_err(named)?;
    let mut replayed = Replayed { inputs: 0, bytes: 0 };
    for name in &names {
        let input = read(&disk, &folder.join(name)).map_err(named)?;
        target.judge(&input).map_err(|wrong| format!("{}/{name}: {wrong}", target.name))?;
        replayed.inputs += 1;
        replayed.bytes += input.len();
    }
    if replayed.bytes == 0 {
        return Err(format!("{}: no input is kept there", folder.display()));
    }
    Ok(replayed)
}

fn read(disk: &RealDisk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = vec![0; file.size()?.min(INPUT_BYTES_MAX) as usize];
    read_exact_at(&*file, &mut bytes, 0)?;
    Ok(bytes)
}
