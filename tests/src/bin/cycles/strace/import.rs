//! The imports that are traced, and the stores that they fill.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use quipu_disk::{Access, Disk, RealDisk, read_exact_at, write_all_at};

use crate::Failure;
use crate::ground::{Ground, run as succeed};
use crate::writer::{Said, Writer};

/// No import takes as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Segments that the imports come to at most.
const SEGMENTS_MAX: u32 = 9;

/// An import whose calls are to fail.
pub(super) struct Work {
    pub(super) name: &'static str,
    pub(super) input: PathBuf,
    pub(super) batch: &'static str,
    /// A store that an earlier import of the same input has left, to go on with.
    pub(super) left: Option<PathBuf>,
    /// What `export` gives once all of it is stored.
    pub(super) whole: Vec<String>,
}

/// A place for stores, and the command.
pub(super) struct Bench {
    pub(super) ground: Ground,
    pub(super) quipu: PathBuf,
}

impl Bench {
    /// The imports: into a new store, into one that a killed import has left, and one that fills several segments.
    pub(super) fn works(&self) -> Result<Vec<Work>, Failure> {
        let few = self.work("a new store", "few", (40, 100), "4")?;
        let many = self.work("several segments", "many", (1500, 2000), "100")?;
        let left = self.ground.folder().join("left.quipu");
        // The beginning of the same input: of all of it nothing or everything may be written at once.
        self.kill(&self.work("a half", "half", (20, 100), "4")?)?;
        copy(&self.ground.store(), &left)?;
        let resumed = Work {
            name: "a killed import",
            input: few.input.clone(),
            whole: few.whole.clone(),
            left: Some(left),
            ..few
        };
        Ok(vec![few, resumed, many])
    }

    /// Leaves the store as an import has that was killed with some of its lines stored.
    fn kill(&self, work: &Work) -> Result<(), Failure> {
        for at in (1..20).rev() {
            self.begin(work)?;
            let said = self.import(work, &format!("fdatasync:signal=KILL:when={at}"))?;
            let killed = said.status.code() != Some(0);
            if killed && self.export().is_ok_and(|lines| !lines.is_empty()) {
                return Ok(());
            }
        }
        Err(format!("{}: none was killed with some of it stored", work.name).into())
    }

    /// Makes an input of so many lines with so much in each, and imports it as it should be.
    pub(super) fn work(
        &self,
        name: &'static str,
        file: &str,
        (lines, bytes): (usize, usize),
        batch: &'static str,
    ) -> Result<Work, Failure> {
        let input = self.ground.folder().join(file);
        let pad = "x".repeat(bytes);
        let line = |number: usize| {
            let data = format!("{{\"n\":{number},\"pad\":\"{pad}\"}}");
            let stream = number % 7;
            let time = format!("2025-01-01T00:{:02}:{:02}Z", number / 60 % 60, number % 60);
            format!(
                "{{\"stream\":\"knot-{stream}\",\"type\":\"Tied\",\"time\":\"{time}\",\"data\":{data}}}\n"
            )
        };
        let text: String = (0..lines).map(line).collect();
        write_all_at(&*RealDisk::new().open(&input, Access::Create)?, text.as_bytes(), 0)?;
        let mut work = Work { name, input, batch, left: None, whole: Vec::new() };
        self.begin(&work)?;
        self.succeed(&["import", &work.input.display().to_string()])?;
        work.whole = self.export()?;
        let all = work.whole.len() == lines;
        if all {
            Ok(work)
        } else {
            Err(format!("{name}: {} lines stored", work.whole.len()).into())
        }
    }

    /// Has the store as it is before an import.
    pub(super) fn begin(&self, work: &Work) -> Result<(), Failure> {
        self.ground.clear()?;
        work.left.as_ref().map_or(Ok(()), |left| copy(left, &self.ground.store()))
    }

    /// Imports under strace, which does to the calls that concern the store what it is told.
    pub(super) fn import(&self, work: &Work, inject: &str) -> Result<Said, Failure> {
        let mut command = Command::new("strace");
        command.args(["-f", "-q", "-y", "-o"]).arg(self.ground.folder().join("trace"));
        command.args(["-e", &format!("inject={inject}")]);
        for file in files(&self.ground.store()) {
            command.arg("-P").arg(file);
        }
        command.arg(&self.quipu).args(["import", "--progress-lines", "--batch", work.batch]);
        command.args(work.left.as_ref().map(|_| "--resume")).arg(&work.input);
        command.arg("--store").arg(self.ground.store());
        let mut import = Writer::listen(command)?;
        if !import.wait(PATIENCE)? {
            let last = self.trace()?.lines().last().unwrap_or_default().to_owned();
            return Err(format!("{}, {inject}: it does not end behind {last}", work.name).into());
        }
        self.all_traced()?;
        import.end()
    }

    /// The store holds only files whose calls are traced.
    fn all_traced(&self) -> Result<(), Failure> {
        let store = self.ground.store();
        if !store.exists() {
            return Ok(());
        }
        let traced = files(&store);
        let names = RealDisk::new().list(&store)?;
        match names.iter().find(|name| !traced.contains(&store.join(name))) {
            Some(name) => {
                Err(format!("nothing was traced of {name}, which the import left").into())
            }
            None => Ok(()),
        }
    }

    /// What the last import asked of the system for the store's files.
    pub(super) fn trace(&self) -> Result<String, Failure> {
        let file = RealDisk::new().open(&self.ground.folder().join("trace"), Access::Read)?;
        let mut bytes = vec![0; usize::try_from(file.size()?)?];
        read_exact_at(&*file, &mut bytes, 0)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.quipu);
        command.args(arguments).arg("--store").arg(self.ground.store());
        command
    }

    pub(super) fn succeed(&self, arguments: &[&str]) -> Result<(), Failure> {
        let output = self.command(arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        Err(format!("{arguments:?} afterwards: {}: {}", output.status, said.trim()).into())
    }

    pub(super) fn export(&self) -> Result<Vec<String>, Failure> {
        let output = self.command(&["export"]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }
}

/// All that may lie in a store of these imports, and the store: strace asks for each by name.
fn files(store: &Path) -> Vec<PathBuf> {
    let mut names: Vec<String> = ["manifest", "lock", "live", "ballast"].map(String::from).into();
    for segment in 1..=SEGMENTS_MAX {
        names.extend(["seg", "idx"].map(|kind| format!("{segment:010}.{kind}")));
    }
    let unfinished: Vec<_> = names.iter().map(|name| format!("{name}.tmp")).collect();
    let all = names.iter().chain(&unfinished).map(|name| store.join(name));
    all.chain([store.to_owned()]).collect()
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    succeed(Command::new("cp").args(["-r", "--sparse=always"]).args([from, to]))
}
