//! The command as users build it has no bug that could be put in.

/// What stands in every program that can have a bug put in: `quipu::plant::MARK`, which other builds do not have.
const MARK: &str = "this program can have bugs put in on purpose";

/// What stands in every build of the command: the name of a variable that it reads.
const VARIABLE: &str = "QUIPU_STORE";

fn command_holds(words: &str) -> bool {
    let command = std::fs::read(env!("CARGO_BIN_EXE_quipu")).unwrap();
    command.windows(words.len()).any(|bytes| bytes == words.as_bytes())
}

#[test]
fn only_a_command_built_for_it_can_have_a_bug_put_in() {
    #[cfg(quipu_plant)]
    assert_eq!(MARK, quipu::plant::MARK);
    assert_eq!(command_holds(MARK), cfg!(quipu_plant));
}

/// The search above can find what is there.
#[test]
fn what_stands_in_the_command_is_found_in_it() {
    assert!(command_holds(VARIABLE));
    assert!(!command_holds("no words of the command"));
}
