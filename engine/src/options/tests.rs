use super::*;
use crate::ErrorKind;

const DAY: Duration = Duration::from_hours(24);
const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);

/// Those of stores of many segments, each of some events.
pub(crate) fn small() -> Options {
    Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ballast_bytes: 0,
        ..Options::default()
    }
}

/// Sets one option.
type Set<T> = fn(&mut Options, T);

/// That these values are taken, and those refused by name.
fn check<T: Copy + std::fmt::Debug>(option: &str, set: Set<T>, taken: &[T], refused: &[T]) {
    for value in taken {
        let mut options = Options::default();
        set(&mut options, *value);
        assert_eq!(
            options.validate().map_err(|error| error.to_string()),
            Ok(()),
            "{option} {value:?}"
        );
    }
    for value in refused {
        let mut options = Options::default();
        set(&mut options, *value);
        let error = options.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with(option), "{option} {value:?}: {error}");
    }
}

#[test]
fn each_option_has_the_bounds_that_its_documentation_states() {
    const MIB: u64 = 1 << 20;
    check(
        "buffer_bytes",
        |o, v| o.buffer_bytes = v,
        &[4096, 8192, 64 << 20],
        &[0, 4095, 4097, (64 << 20) + 4096, usize::MAX],
    );
    check("buffers", |o, v| o.buffers = v, &[2, 16], &[0, 1, 17, usize::MAX]);
    check(
        "segment_bytes_min",
        |o, v| o.segment_bytes_min = v,
        &[8192, 256 * MIB],
        &[0, 4096, 8193, 256 * MIB + 4096, u64::MAX],
    );
    check(
        "segment_bytes_max",
        |o, v| o.segment_bytes_max = v,
        &[MIB, 256 * MIB],
        &[0, MIB - 4096, MIB + 1, 256 * MIB + 4096, u64::MAX],
    );
    check(
        "segment_keys_max",
        |o, v| o.segment_keys_max = v,
        &[1024, 16_777_216],
        &[0, 1023, 16_777_217, u32::MAX],
    );
    check("id_segments", |o, v| o.id_segments = v, &[0, 1, 65_536], &[65_537, u32::MAX]);
    check("ballast_bytes", |o, v| o.ballast_bytes = v, &[0, 1 << 30], &[(1 << 30) + 1, u64::MAX]);
    let (taken, refused) = ([MS, DAY], [Duration::ZERO, MS - NS, DAY + NS, Duration::MAX]);
    check("sync_interval", |o, v| o.sync_interval = v, &taken, &refused);
    check("slow_sync", |o, v| o.slow_sync = v, &taken, &refused);
    check("mark_after", |o, v| o.mark_after = v, &taken, &refused);
}

#[test]
fn the_defaults_and_those_of_a_store_in_memory_are_valid() {
    for options in [Options::default(), Options::in_memory()] {
        assert_eq!(options.validate().map_err(|error| error.to_string()), Ok(()));
    }
    let (memory, default) = (Options::in_memory(), Options::default());
    assert_eq!((memory.mode, memory.durability), (default.mode, default.durability));
    assert_eq!(memory.ballast_bytes, 0);
}
