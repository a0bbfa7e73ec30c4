//! Where zeros begin and end: most of a file that is not full yet is zeros, and all of them are looked at.

#[cfg(test)]
mod tests;

/// Bytes that are compared at once.
const WORD_BYTES: usize = size_of::<u128>();

/// Where the first byte stands that is not zero.
pub(crate) fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks();
    let zeros = words.iter().take_while(|word| is_zero(word)).count() * WORD_BYTES;
    let found = bytes[zeros..].iter().position(|&byte| byte != 0)?;
    Some(zeros + found)
}

/// Where the last byte stands that is not zero.
pub(crate) fn last_nonzero(bytes: &[u8]) -> Option<usize> {
    let (_, words) = bytes.as_rchunks();
    let zeros = words.iter().rev().take_while(|word| is_zero(word)).count() * WORD_BYTES;
    bytes[..bytes.len() - zeros].iter().rposition(|&byte| byte != 0)
}

fn is_zero(word: &[u8; WORD_BYTES]) -> bool {
    u128::from_ne_bytes(*word) == 0
}
