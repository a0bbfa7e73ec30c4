use super::{first_nonzero, last_nonzero};

#[test]
fn the_ends_of_what_is_not_zero_are_found_wherever_they_are() {
    for size in [0, 1, 16, 63, 64, 65, 127, 128, 129, 200] {
        let zeros = vec![0; size];
        assert_eq!((first_nonzero(&zeros), last_nonzero(&zeros)), (None, None));
        for first in 0..size {
            for last in first..size {
                let mut bytes = zeros.clone();
                (bytes[first], bytes[last]) = (1, 0x80);
                let found = (first_nonzero(&bytes), last_nonzero(&bytes));
                let expected = (Some(first), Some(last));
                assert_eq!(found, expected, "of {size}");
            }
        }
    }
}
