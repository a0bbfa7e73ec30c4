use crate::bench::{Bench, quipu, said};

fn run(arguments: &[&str]) -> crate::bench::Said {
    let mut command = quipu();
    command.args(arguments);
    said(command, b"")
}

#[test]
fn without_a_store_the_command_says_how_to_name_one() {
    for arguments in [
        &["verify"][..],
        &["export"],
        &["import", "-"],
        &["append", "a", "--type", "T", "--data", "1"],
    ] {
        let said = run(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}");
        assert!(said.stderr.starts_with("error: no store given\n  help: "), "{said:?}");
        assert!(said.stderr.contains("QUIPU_STORE"), "{said:?}");
        let said = run(&[arguments, &["--json"]].concat());
        assert_eq!(said.error()["error"], "usage");
    }
}

#[test]
fn the_store_may_be_named_by_the_variable() {
    let bench = Bench::new();
    bench.ok(&["append", "a", "--type", "T", "--data", "1"]);
    let mut command = quipu();
    command.env("QUIPU_STORE", bench.store()).arg("verify");
    assert_eq!(said(command, b"").code, Some(0));
}

#[test]
fn a_path_that_holds_no_store_is_named() {
    let bench = Bench::new();
    let stranger = bench.write("stranger", "no store");
    let stranger = bench.folder.join(stranger).display().to_string();
    for path in ["/no/such/place", &stranger, &bench.folder.display().to_string()] {
        for command in ["verify", "export"] {
            let said = run(&["--store", path, command, "--json"]);
            assert_eq!(said.code, Some(2), "{path}: {said:?}");
            assert!(said.error()["message"].as_str().unwrap().contains(path), "{said:?}");
        }
    }
    assert_eq!(std::fs::read_dir(&bench.folder).unwrap().count(), 1, "nothing was made");
}

#[test]
fn an_input_that_cannot_be_read_is_named_and_no_store_is_made() {
    let bench = Bench::new();
    let folder = bench.folder.display().to_string();
    for file in ["/no/such/file", &folder] {
        let said = bench.run(&["import", file]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains(file) && said.stderr.contains("  help: "), "{said:?}");
    }
    assert!(!bench.store().exists());
}

#[test]
fn wrong_arguments_are_refused_in_json_too() {
    let missing = run(&["--store", "s", "append", "a", "--json"]).error()["message"].to_string();
    assert!(missing.contains("--type") && missing.contains("--data"), "{missing}");
    let said = run(&["import", "--json", "--batch", "0", "x"]);
    assert_eq!((said.code, said.error()["error"].as_str()), (Some(2), Some("usage")));
    assert_eq!(run(&["fly"]).code, Some(2));
    assert_eq!(run(&["export", "--since", "yesterday"]).code, Some(2));
}

#[test]
fn help_version_completions_and_manual_are_printed() {
    for (arguments, part) in [
        (&["--version"][..], "(format "),
        (&["--help"], "Examples:"),
        (&["import", "--help"], "--resume"),
        (&["completions", "bash"], "_quipu"),
        (&["completions", "zsh"], "#compdef quipu"),
        (&["man"], ".TH quipu"),
    ] {
        let said = run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}");
        assert!(said.stdout.contains(part), "{arguments:?}: {}", said.stdout);
    }
    let bench = Bench::new();
    let folder = bench.folder.join("man").display().to_string();
    assert_eq!(run(&["man", "--dir", &folder]).code, Some(0));
    assert!(bench.folder.join("man/quipu-import.1").exists());
}

#[test]
fn the_engine_speaks_only_when_asked() {
    let bench = Bench::new();
    assert_eq!(bench.ok(&["append", "a", "--type", "T", "--data", "1"]).stderr, "");
    let mut command = quipu();
    command.env("QUIPU_LOG", "no such filter[").arg("man");
    assert_eq!(said(command, b"").code, Some(2));
}

#[test]
fn the_demo_holds_what_it_promises() {
    let said = run(&["demo", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let figures = said.objects().remove(0);
    assert_eq!((&figures["held"], &figures["events"]), (&true.into(), &20_000.into()));
}

#[test]
fn a_report_that_cannot_be_written_is_no_success() {
    let bench = Bench::new();
    let input = bench.write("in.jsonl", crate::bench::lines(5));
    bench.ok(&["append", "a", "--type", "T", "--data", "1"]);
    let append = ["append", "a", "--type", "T", "--data", "2"];
    for arguments in [
        &["verify"][..],
        &["stat"],
        &["streams"],
        &["export"],
        &["tail"],
        &["read", "a"],
        &["import", &input],
        &append,
    ] {
        for json in [&[][..], &["--json"]] {
            let mut command = quipu();
            command.arg("--store").arg(bench.store()).args(arguments).args(json);
            let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            let done = command.stdout(full).output().unwrap();
            let text = String::from_utf8(done.stderr).unwrap();
            if arguments[0] == "import" && text.contains("already") {
                continue;
            }
            assert_eq!(done.status.code(), Some(2), "{arguments:?} {json:?}: {text}");
            assert!(text.contains("standard output"), "{arguments:?} {json:?}: {text}");
        }
    }
    // What was done stands.
    assert_eq!(bench.exported().len(), 1 + 5 + 2);
}

#[test]
fn what_is_asked_about_the_command_itself_and_cannot_be_written_is_no_success() {
    for arguments in [
        &["--help"][..],
        &["import", "--help"],
        &["help", "import"],
        &["--version"],
        &["--help", "--json"],
        &["completions", "bash"],
        &["man"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let done = quipu().args(arguments).stdout(full).output().unwrap();
        let text = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains("standard output"), "{arguments:?}: {text}");
        // Who went away has seen enough.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = quipu().args(arguments).stdout(writer).output().unwrap();
        assert_eq!((done.status.code(), done.stderr.len()), (Some(0), 0), "{arguments:?}");
    }
}
