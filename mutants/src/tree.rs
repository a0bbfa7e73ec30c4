//! A copy of the tree with the changes woven in, and what of them compiles.

use std::collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use serde_json::Value;

use crate::list::Change;
use crate::weave::{self, SWITCH};

/// A copy of a tree, to be changed and built.
pub struct Tree {
    from: PathBuf,
    to: PathBuf,
    build: PathBuf,
    package: String,
    /// Where replacements stand in each file.
    places: BTreeMap<PathBuf, Vec<(Range<usize>, u32)>>,
}

/// What came of weaving.
pub struct Woven {
    /// The changes that are in the build.
    pub changes: BTreeSet<u32>,
    /// Those that cannot be put there, or do not compile there.
    pub left: BTreeSet<u32>,
    /// The programs of the tests.
    pub programs: Vec<PathBuf>,
    /// Another one if anything in the tree is another.
    pub fingerprint: u64,
}

impl Tree {
    /// Copies a tree, all but what is built and what is kept of the past; of an earlier copy nothing stays that is gone.
    ///
    /// # Errors
    /// Those of the system.
    pub fn copy(from: &Path, below: &Path, package: &str) -> io::Result<Tree> {
        let (to, build) = (below.join("tree"), below.join("build"));
        let (from, places) = (from.to_owned(), BTreeMap::new());
        copy(&from, &to)?;
        Ok(Tree { from, to, build, package: package.to_owned(), places })
    }

    /// Weaves in all changes that compile together, and builds these tests of the package.
    ///
    /// # Errors
    /// What does not compile for another reason than a change.
    pub fn weave(&mut self, changes: &[Change], tests: &[String]) -> Result<Woven, String> {
        let mut dropped = BTreeSet::new();
        let woven = loop {
            let woven = self.put_in(changes, &dropped)?;
            let (wrong, told) = self.wrong(changes)?;
            if wrong.is_empty() && told.is_empty() {
                break woven;
            }
            if wrong.is_subset(&dropped) {
                return Err(format!("the copy does not compile:\n{}", told.join("\n")));
            }
            dropped.extend(wrong);
        };
        let mut arguments = vec!["test", "--no-run"];
        arguments.extend(tests.iter().map(String::as_str));
        let programs = self.cargo(&arguments)?;
        let programs = programs.iter().filter(|message| message["profile"]["test"] == true);
        let programs = programs.filter_map(|message| message["executable"].as_str());
        let all = changes.iter().map(|change| change.number);
        Ok(Woven {
            left: all.filter(|number| !woven.contains(number)).collect(),
            programs: programs.map(PathBuf::from).collect(),
            fingerprint: fingerprint(&self.to).map_err(|error| error.to_string())?,
            changes: woven,
        })
    }

    /// The folder of the package, in which its tests run.
    pub fn folder(&self, change: &Change) -> PathBuf {
        self.to.join(root(&change.file))
    }

    fn put_in(
        &mut self,
        changes: &[Change],
        dropped: &BTreeSet<u32>,
    ) -> Result<BTreeSet<u32>, String> {
        let mut files: BTreeMap<&Path, Vec<Change>> = BTreeMap::new();
        for change in changes {
            let of_file = files.entry(&change.file).or_default();
            if !dropped.contains(&change.number) {
                of_file.push(change.clone());
            }
        }
        let mut woven = BTreeSet::new();
        let of = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        for (path, changes) in files {
            let source = fs::read_to_string(self.from.join(path)).map_err(|e| of(path, e))?;
            let done = weave::weave(&source, &changes)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            write(&self.to.join(path), done.text.as_bytes()).map_err(|e| of(path, e))?;
            self.places.insert(path.to_owned(), done.places);
            woven.extend(done.changes);
            let folder = root(path).join("src");
            let library = folder.join("lib.rs");
            let switch = self.to.join(&folder).join(format!("{SWITCH}.rs"));
            write(&switch, include_bytes!("switch.txt")).map_err(|e| of(&switch, e))?;
            let copy = self.to.join(&library);
            let text = fs::read_to_string(&copy).map_err(|error| of(&copy, error))?;
            let line = format!("mod {SWITCH};\n");
            if !text.ends_with(&line) {
                write(&copy, (text + &line).as_bytes()).map_err(|error| of(&copy, error))?;
            }
        }
        Ok(woven)
    }

    /// The changes that do not compile, and what the compiler says.
    fn wrong(&self, changes: &[Change]) -> Result<(BTreeSet<u32>, Vec<String>), String> {
        let messages = self.cargo(&["check"])?;
        let (mut wrong, mut told) = (BTreeSet::new(), Vec::new());
        for message in messages.iter().map(|message| &message["message"]) {
            if message["level"] != "error" {
                continue;
            }
            let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
            if spans.is_empty() {
                continue;
            }
            told.push(message["rendered"].as_str().unwrap_or_default().to_owned());
            if let Some(number) = spans.iter().find_map(|span| self.named(span)) {
                wrong.insert(number);
            } else if message["code"]["code"] == "E0015" {
                // A function that is asked for while compiling: nothing in it can be switched.
                let said = message["message"].as_str().unwrap_or_default();
                let path = said.split('`').nth(1).unwrap_or_default();
                let name = path.rsplit("::").next().unwrap_or_default();
                let it = |change: &&Change| change.function().rsplit("::").next() == Some(name);
                wrong.extend(changes.iter().filter(it).map(|change| change.number));
            } else {
                // The value of a function that gives what only it can name.
                let lines = spans.iter().filter_map(|span| span["line_start"].as_u64());
                let file = spans[0]["file_name"].as_str().unwrap_or_default();
                wrong.extend(lines.filter_map(|line| self.before(file, line as usize)));
            }
        }
        Ok((wrong, told))
    }

    /// The change in whose replacement a span lies.
    fn named(&self, span: &Value) -> Option<u32> {
        let places = self.places.get(Path::new(span["file_name"].as_str()?))?;
        let start = span["byte_start"].as_u64()? as usize;
        let inside = places.iter().filter(|(place, _)| place.contains(&start));
        inside.min_by_key(|(place, _)| place.len()).map(|(_, number)| *number)
    }

    /// The value of a function that was woven in last before a line.
    fn before(&self, file: &str, line: usize) -> Option<u32> {
        let text = fs::read_to_string(self.to.join(file)).ok()?;
        let end: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let places = self.places.get(Path::new(file))?;
        let earlier = places.iter().filter(|(place, _)| place.end <= end);
        earlier.max_by_key(|(place, _)| place.end).map(|(_, number)| *number)
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Vec<Value>, String> {
        let mut command = Command::new("cargo");
        command.args(arguments).args(["--package", &self.package, "--message-format", "json"]);
        command.current_dir(&self.to).env("CARGO_TARGET_DIR", &self.build);
        command.env("RUSTFLAGS", "--cap-lints=allow").env("CARGO_PROFILE_DEV_DEBUG", "false");
        let output =
            command.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let messages = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
        Ok(messages.collect())
    }
}

/// The folder of the package that a file belongs to.
fn root(file: &Path) -> PathBuf {
    file.iter().take_while(|part| *part != "src").collect()
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".git" || path.join("CACHEDIR.TAG").exists() {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&path, &target)?;
        } else {
            write(&target, &fs::read(&path)?)?;
        }
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let is_ours = entry.path().file_stem().is_some_and(|stem| stem == SWITCH);
        if !from.join(entry.file_name()).exists() && !is_ours {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Writes a file, unless it holds these bytes: what is built from it stays good.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    fs::write(path, bytes)
}

fn fingerprint(tree: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    let mut names: Vec<PathBuf> =
        fs::read_dir(tree)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    names.sort();
    for path in names {
        path.hash(&mut hasher);
        if path.is_dir() {
            fingerprint(&path)?.hash(&mut hasher);
        } else {
            fs::read(&path)?.hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}
