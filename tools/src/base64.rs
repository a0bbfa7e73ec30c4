//! Bytes as text, and back: after RFC 4648, with padding.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the text that stands for these bytes.
pub(crate) fn write(text: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS[(bits >> shift) as usize & 63];
            text.push(if at <= chunk.len() { digit } else { b'=' });
        }
    }
}

/// How many bytes a text stands for, if it stands for any.
pub(crate) fn bytes(text: &str) -> usize {
    let padding = text.bytes().rev().take(2).take_while(|&digit| digit == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// The bytes that a text stands for. `None` where [`write`] writes no such text.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    let (groups, []) = text.as_bytes().as_chunks::<4>() else { return None };
    let mut bytes = Vec::with_capacity(bytes(text));
    for (at, group) in groups.iter().enumerate() {
        let padding = match group {
            [_, _, b'=', b'='] if at + 1 == groups.len() => 2,
            [_, _, _, b'='] if at + 1 == groups.len() => 1,
            _ => 0,
        };
        let mut bits = 0;
        for (digit, shift) in group[..4 - padding].iter().zip([18, 12, 6, 0]) {
            bits |= value(*digit)? << shift;
        }
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (decoded, beyond) = decoded.split_at(3 - padding);
        if beyond.iter().any(|&bits| bits != 0) {
            return None;
        }
        bytes.extend_from_slice(decoded);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> String {
        let mut text = Vec::new();
        write(&mut text, bytes);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn base64_agrees_with_the_examples_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(written(bytes.as_bytes()), text);
            assert_eq!(read(text).as_deref(), Some(bytes.as_bytes()));
            assert_eq!(super::bytes(text), bytes.len());
        }
    }

    #[test]
    fn what_is_not_written_is_not_read() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(read(&written(&all)), Some(all));
        for text in [
            "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "Zm9-", " ",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
