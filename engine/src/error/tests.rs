//! What errors say of themselves.

use super::*;

/// `ENFILE` and `EMFILE`: a limit of the process helps nobody where the system's is reached.
#[test]
fn want_of_descriptors_says_whose_limit_it_is() {
    let advice = |number| {
        let cause = io::Error::from_raw_os_error(number);
        let error = Error::io("opening", Path::new("s/1.seg"), cause);
        assert!(error.is_shortage(), "{error}");
        error.advice()
    };
    let (system, process) = (advice(23), advice(24));
    assert!(system.contains("fs.file-max") && !system.contains("ulimit"), "{system}");
    assert!(process.contains("ulimit") && !process.contains("fs.file-max"), "{process}");
}

#[test]
fn an_index_that_fails_is_called_what_it_is() {
    let newer = FormatError::Unsupported { what: "incompatible feature", value: 1 };
    let cases = [
        (IndexError::Damaged { at: 7, what: "a rule" }, ErrorKind::Damaged),
        (IndexError::Unsupported(newer), ErrorKind::Unsupported),
        (IndexError::Io(io::ErrorKind::NotFound.into()), ErrorKind::Io),
    ];
    for (error, kind) in cases {
        let error = Error::index(Some(Path::new("s/1.idx")), error);
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains("s/1.idx"), "{error}");
        let is_io = kind == ErrorKind::Io;
        assert_eq!(std::error::Error::source(&error).is_some(), is_io, "{error}");
        // No event is the reason, so nobody steps over one because of it.
        assert!(error.is_of_index() != is_io && !error.is_of_events(), "{error}");
        assert!(error.damage().is_none(), "{error}");
        assert_eq!(error.advice().contains("rebuild-index"), kind == ErrorKind::Damaged);
    }
}
