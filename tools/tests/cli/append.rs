use crate::bench::Bench;

#[test]
fn an_event_is_appended_and_said_where() {
    let bench = Bench::new();
    let file = bench.write("data.json", "{\n  \"total\": 42\n}\n");
    let data = format!("@{file}");
    let said = bench.ok(&["append", "order-1", "--type", "Placed", "--data", "{\"a\":-1}"]);
    assert!(said.stdout.contains("version 0, position 0, recorded 20"), "{said:?}");
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let arguments = [
        "append",
        "order-1",
        "--type",
        "Paid",
        "--data",
        &data,
        "--tag",
        "a",
        "--tag",
        "b",
        "--metadata",
        "{}",
        "--id",
        id,
        "--expect",
        "0",
        "--json",
    ];
    let answer = bench.ok(&arguments).objects().remove(0);
    assert_eq!((answer["version"].as_u64(), answer["position"].as_u64()), (Some(1), Some(1)));
    let said = bench.run_with_input(&["append", "order-2", "--type", "T", "--data", "-"], b"-7");
    assert_eq!(said.code, Some(0), "{said:?}");
    let exported = bench.exported();
    assert_eq!(exported[1]["data"]["total"], 42);
    assert_eq!(exported[1]["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(exported[2]["data"], -7);
    let store = quipu::Store::builder(bench.store()).mode(quipu::Mode::ReadOnly).open().unwrap();
    let mut events = store.all().from(quipu::Position(1)).events().unwrap();
    assert_eq!(events.next().unwrap().unwrap().id().unwrap().to_string(), id);
}

#[test]
fn a_conflict_exits_with_1_and_says_what_is_there() {
    let bench = Bench::new();
    let append = ["append", "order-1", "--type", "T", "--data", "1", "--expect"];
    let with = |expect| [&append[..], &[expect]].concat();
    assert_eq!(bench.run(&with("exists")).code, Some(1));
    bench.ok(&with("none"));
    bench.ok(&with("0"));
    bench.ok(&with("exists"));
    bench.ok(&with("any"));
    for (expect, words) in [("none", "no stream"), ("0", "version 0"), ("9", "version 9")] {
        let said = bench.run(&with(expect));
        assert_eq!(said.code, Some(1));
        assert!(
            said.stderr.contains(&format!("is at version 3, but {words} was expected")),
            "{said:?}"
        );
        let mut arguments = with(expect);
        arguments.push("--json");
        let error = bench.run(&arguments).error();
        assert_eq!(error["error"], "conflict");
        assert_eq!((&error["stream"], &error["actual"]), (&"order-1".into(), &3.into()));
        assert_eq!(error["expected"], words);
    }
    assert_eq!(bench.exported().len(), 4);
}

#[test]
fn what_is_no_json_is_refused_and_no_store_is_made() {
    let bench = Bench::new();
    for arguments in [
        &["--data", "{'a':1}"][..],
        &["--data", ""],
        &["--data", "@/no/such/file"],
        &["--data", "-"],
        &["--data", "1", "--metadata", "{"],
        &["--data", "1", "--id", "seven"],
        &["--data", "1", "--expect", "some"],
    ] {
        let all = [&["append", "a", "--type", "T", "--json"][..], arguments].concat();
        let said = bench.run(&all);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        assert!(said.error()["advice"].is_string());
    }
    assert!(!bench.store().exists());
}

#[test]
fn what_the_store_refuses_exits_with_2() {
    let bench = Bench::new();
    let said = bench.run(&["append", "a", "--type", "", "--data", "1", "--json"]);
    assert_eq!((said.code, said.error()["error"].as_str()), (Some(2), Some("invalid")));
}
