//! One file that this process makes up: a file system in user space of which the root is that file.
//!
//! It speaks the few messages of the kernel's protocol (`linux/fuse.h`, version 7) that one file without a directory
//! needs. `mount` connects the device to the place: it is given the open device as its standard input.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use quipu_disk::{Access, Disk, RealDisk};

use crate::Failure;
use crate::ground::run;

/// Where the kernel's side is found.
pub(crate) const DEVICE: &str = "/dev/fuse";
/// Most bytes of a write; a request has a page more at most.
const WRITE_BYTES_MAX: usize = 1 << 20;
const REQUEST_BYTES_MAX: usize = WRITE_BYTES_MAX + 4096;
const HEADER_BYTES: usize = 40;
/// The minor version that is spoken.
const MINOR: u32 = 31;
/// Asynchronous reads, writes of more than a page, requests of more than 32 pages.
const FLAGS: u32 = 1 | 1 << 5 | 1 << 22;
/// Neither reads nor writes go through the page cache: each one arrives here.
const OPEN_DIRECT: u32 = 1;
/// A regular file that its owner reads and writes.
const MODE: u32 = 0o100_600;
/// For so many seconds the kernel need not ask again what the file is like.
const VALID_SECONDS: u64 = 3600;

/// A call that this file system does not know.
const ENOSYS: i32 = 38;
/// Input or output failed.
const EIO: i32 = 5;

/// What stands behind the file.
pub(crate) trait Served: Send + Sync + 'static {
    /// How many bytes the file has.
    fn size(&self) -> u64;

    /// Fills `bytes` from `offset`.
    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), Failed>;

    /// Takes `bytes` for `offset`.
    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Failed>;

    /// Makes durable what was written.
    fn flush(&self) -> Result<(), Failed>;
}

/// The call failed: input or output error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// A file that is served until this is dropped.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Has the file at `path`, which is made for that, served by `what`.
    ///
    /// # Errors
    /// There is no such device here, or this process may not mount.
    pub(crate) fn new(path: &Path, what: Arc<dyn Served>) -> Result<Mounted, Failure> {
        drop(RealDisk::new().open(path, Access::Create)?);
        #[allow(clippy::disallowed_methods, reason = "a device of the kernel, and no file")]
        let device = OpenOptions::new().read(true).write(true).open(DEVICE)?;
        let options = format!("fd=0,rootmode={MODE:o},user_id=0,group_id=0");
        run(Command::new("mount")
            .args(["-i", "-t", "fuse", "-o", &options, "quipu-medium"])
            .arg(path)
            .stdin(Stdio::from(device.try_clone()?)))?;
        thread::spawn(move || serve(device, &*what));
        Ok(Mounted(path.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _unmounted = run(Command::new("umount").arg("-l").arg(&self.0));
    }
}

/// Answers until the file is unmounted.
fn serve(mut device: File, what: &dyn Served) {
    let mut request = vec![0; REQUEST_BYTES_MAX];
    loop {
        match device.read(&mut request) {
            Ok(count) => {
                let Some(answer) = Request::parse(&request[..count]).and_then(|it| it.answer(what))
                else {
                    continue;
                };
                // A request that was given up meanwhile has nobody who waits for the answer.
                let _given_up = device.write(&answer);
            }
            // Given up before it was read.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Interrupted) => {
            }
            Err(_) => return,
        }
    }
}

/// One message of the kernel.
struct Request<'a> {
    opcode: u32,
    unique: u64,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Request<'a>> {
        let body = bytes.get(HEADER_BYTES..)?;
        Some(Request { opcode: u32_at(bytes, 4)?, unique: u64_at(bytes, 8)?, body })
    }

    /// The bytes of the answer. None where the kernel waits for none.
    fn answer(&self, what: &dyn Served) -> Option<Vec<u8>> {
        let answer = match self.opcode {
            // Forget, interrupt, and forget many.
            2 | 36 | 42 => return None,
            3 => Ok(attributes(what.size())),
            14 => Ok(words(&[0, 0, OPEN_DIRECT, 0])),
            15 => self.read(what),
            16 => self.write(what),
            17 => Ok(vec![0; 80]),
            // Release, flush at close, destroy.
            18 | 25 | 38 => Ok(Vec::new()),
            20 => what.flush().map(|()| Vec::new()).map_err(|Failed| EIO),
            26 => Ok(greeting()),
            _ => Err(ENOSYS),
        };
        let (error, body) = answer.map_or_else(|code| (-code, Vec::new()), |body| (0, body));
        let length = u32::try_from(16 + body.len()).ok()?;
        let head = [length.to_le_bytes(), error.to_le_bytes()];
        Some([head.as_flattened(), &self.unique.to_le_bytes(), &body].concat())
    }

    fn read(&self, what: &dyn Served) -> Result<Vec<u8>, i32> {
        let (offset, size) = self.place().ok_or(EIO)?;
        let left = usize::try_from(what.size().saturating_sub(offset)).map_err(|_| EIO)?;
        let mut bytes = vec![0; size.min(left).min(WRITE_BYTES_MAX)];
        what.read(&mut bytes, offset).map_err(|Failed| EIO)?;
        Ok(bytes)
    }

    fn write(&self, what: &dyn Served) -> Result<Vec<u8>, i32> {
        let (offset, size) = self.place().ok_or(EIO)?;
        let bytes = self.body.get(40..).and_then(|bytes| bytes.get(..size)).ok_or(EIO)?;
        if offset.saturating_add(size as u64) > what.size() {
            return Err(EIO);
        }
        what.write(bytes, offset).map_err(|Failed| EIO)?;
        Ok(words(&[u32::try_from(size).map_err(|_| EIO)?, 0]))
    }

    /// Offset and length of a read or write.
    fn place(&self) -> Option<(u64, usize)> {
        Some((u64_at(self.body, 8)?, u32_at(self.body, 16)? as usize))
    }
}

/// The answer to the first message: version, read-ahead, flags, requests in the background, bytes of a write,
/// granularity of times, pages of a request, and what is left out.
fn greeting() -> Vec<u8> {
    let write = WRITE_BYTES_MAX as u32;
    let background = 64 | 48 << 16;
    let pages = write / 4096;
    let mut words = words(&[7, MINOR, 0, FLAGS, background, write, 1, pages]);
    words.resize(64, 0);
    words
}

/// The answer to what the file is like: until when that holds, number, size, blocks, three times, mode, links.
fn attributes(size: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(104);
    for long in [VALID_SECONDS, 0, 1, size, size / 512, 0, 0, 0] {
        bytes.extend(u64::to_le_bytes(long));
    }
    bytes.extend(words(&[0, 0, 0, MODE, 1, 0, 0, 0, 4096, 0]));
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds ten bytes, and fails at the last of them.
    struct Ten;

    impl Served for Ten {
        fn size(&self) -> u64 {
            10
        }

        fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), Failed> {
            bytes.fill(7);
            if offset < 9 { Ok(()) } else { Err(Failed) }
        }

        fn write(&self, _: &[u8], _: u64) -> Result<(), Failed> {
            Ok(())
        }

        fn flush(&self) -> Result<(), Failed> {
            Err(Failed)
        }
    }

    /// The answer to a message: its error and its body.
    fn answer(opcode: u32, body: &[u8]) -> Option<(i32, Vec<u8>)> {
        let head = [&words(&[0, opcode])[..], &42_u64.to_le_bytes(), &[0; 24]].concat();
        let answer = Request::parse(&[&head, body].concat())?.answer(&Ten)?;
        assert_eq!(u32_at(&answer, 0), Some(answer.len() as u32));
        assert_eq!(u64_at(&answer, 8), Some(42));
        Some((u32_at(&answer, 4)?.cast_signed(), answer[16..].to_vec()))
    }

    /// The beginning of a read or write.
    fn place(offset: u64, size: u32) -> Vec<u8> {
        [&[0; 8], &offset.to_le_bytes()[..], &words(&[size]), &[0; 20]].concat()
    }

    #[test]
    fn messages_are_answered_with_as_many_bytes_as_the_kernel_expects() {
        assert_eq!(answer(26, &[]).unwrap().1.len(), 64);
        assert_eq!(answer(3, &[]).unwrap().1.len(), 104);
        assert_eq!(answer(14, &[]).unwrap().1.len(), 16);
        assert_eq!(answer(15, &place(4, 100)), Some((0, vec![7; 6])));
        assert_eq!(answer(16, &[&place(4, 2)[..], b"ab"].concat()), Some((0, words(&[2, 0]))));
    }

    #[test]
    fn what_fails_or_is_not_known_is_answered_with_its_error() {
        assert_eq!(answer(15, &place(9, 1)), Some((-EIO, vec![])));
        assert_eq!(answer(20, &[]), Some((-EIO, vec![])));
        assert_eq!(answer(16, &place(4, 2)), Some((-EIO, vec![])), "without its bytes");
        assert_eq!(answer(16, &[&place(9, 2)[..], b"ab"].concat()), Some((-EIO, vec![])));
        assert_eq!(answer(99, &[]), Some((-ENOSYS, vec![])));
        assert_eq!(answer(2, &[]), None);
        assert!(Request::parse(&[0; 39]).is_none());
    }
}
