use std::fs;

use serde_json::Value;

use crate::bench::{Bench, Said, flip, lines, quipu, said};

/// A store of ten commits; a byte of event 40 is changed.
fn damaged() -> Bench {
    damaged_at("knot:40")
}

/// The same; a byte of the event that has this tag is changed.
fn damaged_at(tag: &str) -> Bench {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file, "--batch", "10"]);
    let bytes = fs::read(bench.segment()).unwrap();
    let offset = bytes.windows(tag.len()).position(|window| window == tag.as_bytes()).unwrap();
    flip(&bench.segment(), offset);
    bench
}

fn copy(bench: &Bench) -> String {
    bench.folder.join("copy.quipu").display().to_string()
}

/// Runs the command on another store, and expects it to succeed.
fn on(store: &str, command: &str) -> Said {
    let mut quipu = quipu();
    quipu.args(["--store", store, command]);
    let said = said(quipu, b"");
    assert_eq!(said.code, Some(0), "{said:?}");
    said
}

/// The store's lines, without those of the damaged commit.
fn left(bench: &Bench) -> Vec<Value> {
    let said = bench.run(&["import", &bench.write("again.jsonl", lines(100)), "--batch", "10"]);
    assert_eq!(said.code, Some(1), "a damaged store is not written: {said:?}");
    let sound = Bench::new();
    sound.ok(&["import", &sound.write("in.jsonl", lines(100)), "--batch", "10"]);
    let mut all = sound.exported();
    all.drain(40..50);
    all
}

/// What does not depend on when it was recorded.
fn lasting(line: &Value) -> (String, String, String) {
    let field = |name: &str| line[name].to_string();
    (field("stream"), field("type"), field("data"))
}

#[test]
fn what_is_left_of_a_damaged_store_becomes_a_new_one() {
    let bench = damaged();
    let to = copy(&bench);
    let said = bench.run(&["salvage", "--to", &to]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let lost = format!("lost: positions 40 to 49 in {}", bench.segment().display());
    assert!(said.stdout.starts_with(&lost), "{said:?}");
    assert!(said.stdout.contains("events from position 50 on have lower positions"), "{said:?}");
    assert!(said.stdout.contains("stream \"cord-0\" is numbered anew from version"), "{said:?}");
    assert!(said.stdout.contains("lost 10 events; 90 events in 9 commits"), "{said:?}");
    let exported = on(&to, "export").objects();
    let left = left(&bench);
    assert!(exported.iter().map(lasting).eq(left.iter().map(lasting)));
    assert!(on(&to, "verify").stdout.starts_with("sound: 90 events"));
}

#[test]
fn scripts_get_every_loss_as_an_object() {
    let bench = damaged();
    let said = bench.run(&["salvage", "--to", &copy(&bench), "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let report = said.objects().remove(0);
    assert_eq!((&report["complete"], &report["events"]), (&false.into(), &90.into()));
    let lost = report["lost"].as_array().unwrap();
    assert_eq!(lost.len(), 1, "{report}");
    assert_eq!(lost[0]["positions"], serde_json::json!([40, 50]));
    assert!(lost[0]["offset"].as_u64().unwrap() > 4096 && lost[0]["bytes"].as_u64().unwrap() > 500);
    assert_eq!(report["moved_from"], 50);
    assert!(report["renumbered"].as_array().unwrap().iter().any(|one| one["stream"] == "plain"));
}

#[test]
fn a_dry_run_says_the_same_and_makes_nothing() {
    let bench = damaged();
    let said = bench.run(&["salvage", "--dry-run", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let dry = said.objects().remove(0);
    let wet = bench.run(&["salvage", "--to", &copy(&bench), "--json"]).objects().remove(0);
    for field in ["lost", "events", "commits", "bytes", "moved_from", "renumbered"] {
        assert_eq!(dry[field], wet[field], "{field}");
    }
    assert_eq!(dry["to"], Value::Null);
    assert_eq!(fs::read_dir(&bench.folder).unwrap().count(), 3, "input, store and copy");
}

#[test]
fn a_sound_store_is_copied_once() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file, "--batch", "10"]);
    let to = copy(&bench);
    let said = bench.ok(&["salvage", "--to", &to]);
    assert!(said.stdout.starts_with("nothing is lost; 100 events in 10 commits"), "{said:?}");
    assert_eq!(on(&to, "export").stdout, bench.ok(&["export"]).stdout);
    let again = bench.run(&["salvage", "--to", &to, "--json"]);
    assert_eq!((again.code, again.error()["error"].as_str()), (Some(2), Some("invalid")));
    let within = bench.store().join("copy").display().to_string();
    assert_eq!(bench.run(&["salvage", "--to", &within]).code, Some(2));
}

/// The copy may be named by a path that does not look like one into the store, or through links.
#[test]
fn a_place_within_the_store_is_refused_by_whichever_name() {
    let bench = damaged();
    let link = bench.folder.join("link");
    std::os::unix::fs::symlink(bench.store(), &link).unwrap();
    let before = fs::read_dir(bench.store()).unwrap().count();
    let refused = |directory: &std::path::Path, store: &str, to: &str| {
        let mut command = quipu();
        command.current_dir(directory).args(["--store", store, "salvage", "--json", "--to", to]);
        let said = said(command, b"");
        assert_eq!(said.code, Some(2), "{store} {to}: {said:?}");
        let error = said.error();
        assert_eq!(error["error"], "invalid", "{said:?}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("lies within the damaged store"), "{store} {to}: {said:?}");
    };
    let folder = &bench.folder;
    for (store, to) in [
        ("test.quipu", "link/copy"),
        ("link", "test.quipu/copy"),
        ("test.quipu", "./link/../test.quipu/a/b"),
        ("./test.quipu", "test.quipu/copy"),
        ("test.quipu", "new/../link/copy"),
    ] {
        refused(folder, store, to);
    }
    refused(&bench.store(), ".", "copy");
    refused(&link, "../test.quipu", "new/copy");
    assert_eq!(fs::read_dir(bench.store()).unwrap().count(), before, "nothing was made in it");
}

/// Folders and links are something, too.
#[test]
fn a_place_that_holds_anything_is_refused() {
    let bench = damaged();
    let place = bench.folder.join("place");
    let to = place.display().to_string();
    for make in [
        &|| fs::create_dir_all(place.join("letters")).unwrap(),
        &|| std::os::unix::fs::symlink("nowhere", place.join("link")).unwrap(),
        &|| fs::write(place.join("dear.txt"), "dear").unwrap(),
    ] as [&dyn Fn(); 3]
    {
        fs::create_dir_all(&place).unwrap();
        make();
        let said = bench.run(&["salvage", "--to", &to, "--json"]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.error()["message"].as_str().unwrap().contains("is not empty"), "{said:?}");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1, "left alone");
        fs::remove_dir_all(&place).unwrap();
    }
    fs::write(&place, "dear").unwrap();
    let said = bench.run(&["salvage", "--to", &to]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("a store is a directory"), "{said:?}");
}

#[test]
fn a_salvage_without_a_place_is_wrong_use() {
    let bench = damaged();
    assert_eq!(bench.run(&["salvage"]).code, Some(2));
    assert_eq!(bench.run(&["salvage", "--dry-run", "--to", "x"]).code, Some(2));
}

/// What an import into the copy comes to.
fn import_into_copy(bench: &Bench, input: &str, arguments: &[&str]) -> Said {
    let mut command = quipu();
    command.args(["--store", &copy(bench), "import", "--json", "--batch", "10"]).args(arguments);
    said(command, input.as_bytes())
}

/// A store that has lost lines neither gets those behind them a second time, nor the lost ones out of their order.
#[test]
fn an_import_goes_on_in_no_copy_that_has_lost_lines_before_its_end() {
    let bench = damaged();
    let to = copy(&bench);
    bench.run(&["salvage", "--to", &to]);
    let before = on(&to, "export").stdout;
    let longer = bench.write("longer.jsonl", lines(120));
    let same = bench.write("in.jsonl", lines(100));
    for file in [&same, &longer] {
        let said = import_into_copy(&bench, "", &[file, "--resume"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let error = said.error();
        assert_eq!(error["error"], "lines-lost", "{said:?}");
        assert_eq!((&error["missing"], &error["line"]), (&41.into(), &51.into()), "{said:?}");
        assert_eq!(error["last"], 100, "{said:?}");
        assert!(error["advice"].as_str().unwrap().contains("new store"), "{said:?}");
        assert_eq!(on(&to, "export").stdout, before, "nothing was written");
    }
    let behind: String = lines(120).split_inclusive('\n').skip(100).collect();
    let said = import_into_copy(&bench, "", &[&bench.write("behind.jsonl", behind)]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(on(&to, "export").objects().len(), 110);
}

#[test]
fn a_copy_that_has_lost_the_first_lines_is_not_taken_for_one_without_any() {
    let bench = damaged_at("knot:4");
    let to = copy(&bench);
    bench.run(&["salvage", "--to", &to]);
    let before = on(&to, "export").stdout;
    assert_eq!(before.lines().count(), 90);
    let file = bench.write("in.jsonl", lines(100));
    for arguments in [&[file.as_str()][..], &[&file, "--resume"]] {
        let said = import_into_copy(&bench, "", arguments);
        assert_eq!(said.code, Some(1), "{said:?}");
        let error = said.error();
        assert_eq!((&error["missing"], &error["line"]), (&1.into(), &11.into()), "{said:?}");
        assert_eq!(on(&to, "export").stdout, before, "nothing was written");
    }
}

/// Standard input is read once: what is missing may be stored before what is there is met, but nothing twice.
#[test]
fn no_line_of_standard_input_is_stored_twice_in_a_copy() {
    let bench = damaged();
    let to = copy(&bench);
    bench.run(&["salvage", "--to", &to]);
    for _ in 0..2 {
        let said = import_into_copy(&bench, &lines(100), &["-", "--resume"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let error = said.error();
        assert_eq!((&error["error"], &error["line"]), (&"lines-lost".into(), &51.into()));
        assert_eq!(on(&to, "export").objects().len(), 100, "{said:?}");
    }
}

/// Lines of other inputs with higher numbers are no sign of a loss.
#[test]
fn an_import_goes_on_in_a_sound_copy_beside_a_longer_one() {
    let bench = Bench::new();
    let other = bench.write("other.jsonl", lines(300).replace("cord", "other"));
    bench.ok(&["import", &bench.write("in.jsonl", lines(100))]);
    bench.ok(&["import", &other, "--batch", "10"]);
    bench.ok(&["salvage", "--to", &copy(&bench)]);
    let more = lines(150);
    let file = bench.write("in.jsonl", &more);
    let said = import_into_copy(&bench, "", &[&file, "--resume"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.objects()[0]["resumed"], 100, "{said:?}");
    let said = import_into_copy(&bench, &lines(200), &["-", "--resume"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(on(&copy(&bench), "export").objects().len(), 500);
}
