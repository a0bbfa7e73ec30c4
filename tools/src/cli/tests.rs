use clap::{Command as Declared, CommandFactory};

use super::*;

/// The `quipu …` commands of an example as a shell would hand them over: quotes taken off, pipes and
/// redirections left out.
fn commands_of(line: &str) -> Vec<Vec<String>> {
    line.split(" | ")
        .map(|part| words(part.split(" > ").next().unwrap_or_default()))
        .filter(|words| words.first().is_some_and(|word| word == "quipu"))
        .collect()
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, piece) in text.trim().split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn check_examples(declared: &Declared) -> usize {
    let help = declared.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut found = 0;
    for line in help.lines().filter(|line| line.starts_with("  ")) {
        for command in commands_of(line) {
            let parsed = Cli::try_parse_from(&command);
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|e| e.to_string()).unwrap());
            found += 1;
        }
    }
    assert!(found > 0, "`{}` has no example", declared.get_name());
    found
}

#[test]
fn every_command_has_examples_and_each_can_be_followed() {
    let declared = Cli::command();
    let mut found = check_examples(&declared);
    for command in declared.get_subcommands() {
        found += check_examples(command);
    }
    assert!(found >= 20, "only {found} examples found");
}

#[test]
fn the_declaration_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn expectations_are_words_or_versions() {
    for (text, meant) in [
        ("any", Some(ExpectedVersion::Any)),
        ("none", Some(ExpectedVersion::NoStream)),
        ("exists", Some(ExpectedVersion::StreamExists)),
        ("0", Some(ExpectedVersion::Exact(0))),
        ("18446744073709551615", Some(ExpectedVersion::Exact(u64::MAX))),
        ("18446744073709551616", None),
        ("-1", None),
        ("", None),
        ("None", None),
    ] {
        assert_eq!(expected(text).ok(), meant, "{text}");
    }
}

#[test]
fn an_empty_store_is_no_store() {
    for arguments in [&["quipu", "verify"][..], &["quipu", "--store", "", "verify"]] {
        let mut cli = Cli::try_parse_from(arguments).unwrap();
        if arguments.len() == 2 {
            // The variable may be set where the tests run.
            cli.store = None;
        }
        assert_eq!(cli.store().err().map(|failure| failure.code), Some("usage"));
    }
}
