//! Rust source as the checkers see it: without comments, without the contents of strings.

/// A text file of the repository.
pub(crate) struct Text {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Text {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The folder of the crate that the file belongs to, or nothing for a file at the root.
    pub(crate) fn crate_folder(&self) -> &str {
        // The one crate that lies in another one's folder.
        let within = "bench/compare";
        if self.path.starts_with(&format!("{within}/")) {
            return within;
        }
        self.path.split_once('/').map_or("", |(folder, _)| folder)
    }
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    /// From the line with `fn` to the line with the closing brace.
    pub(crate) lines: usize,
}

/// The code of a Rust file: comments, strings and character literals become spaces, and so does
/// everything beyond ASCII. Lines and offsets stay as they were.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = end_of_prose(bytes, at);
        let is_code = end.is_none();
        let end = end.unwrap_or(at + 1).min(bytes.len());
        for &byte in &bytes[at..end] {
            let kept = byte == b'\n' || is_code && byte.is_ascii();
            code.push(if kept { char::from(byte) } else { ' ' });
        }
        at = end;
    }
    code
}

/// Where the comment or literal that begins at `at` ends, if one does.
fn end_of_prose(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => {
            Some(rest.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |end| at + end))
        }
        [b'/', b'*', ..] => Some(at + end_of_block_comment(rest)),
        [b'"', ..] => Some(at + end_of_quoted(rest)),
        [b'\'', b'\\', ..] => Some(at + end_of_quoted(rest)),
        [b'\'', first, ..] => {
            let width = 1 + first.leading_ones().saturating_sub(1) as usize;
            (rest.get(1 + width) == Some(&b'\'')).then_some(at + width + 2)
        }
        [b'r', ..] if begins_token(bytes, at) => end_of_raw_string(rest).map(|end| at + end),
        _ => None,
    }
}

/// Whether a token begins at `at`, apart from the prefixes `b` and `c` of a literal.
fn begins_token(bytes: &[u8], at: usize) -> bool {
    let begins = |at: usize| at == 0 || !is_word(bytes[at - 1]);
    begins(at) || matches!(bytes[at - 1], b'b' | b'c') && begins(at - 1)
}

fn end_of_block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of a literal in the quotes it begins with, with escapes.
fn end_of_quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != rest[0] {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn end_of_raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    let body = 1 + hashes + 1;
    if rest.get(body - 1) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'#'; hashes + 1];
    closing[0] = b'"';
    let length = rest[body..].windows(closing.len()).position(|window| window == closing);
    Some(length.map_or(rest.len(), |length| body + length + closing.len()))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The offsets at which `needle` stands in `code`, not as a part of a longer word.
pub(crate) fn occurrences(code: &str, needle: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let alone = |&at: &usize| {
        let end = at + needle.len();
        let begins = at == 0 || !is_word(bytes[at - 1]) || !is_word(bytes[at]);
        begins && (end == bytes.len() || !is_word(bytes[end]) || !is_word(bytes[end - 1]))
    };
    code.match_indices(needle).map(|(at, _)| at).filter(alone).collect()
}

/// The line of an offset, counted from 1.
pub(crate) fn line_of(code: &str, at: usize) -> usize {
    1 + code[..at].matches('\n').count()
}

/// Where the item whose text begins at `at` ends: after its body, or after its semicolon.
fn end_of_item(code: &str, at: usize) -> usize {
    let mut nested = 0_usize;
    let mut braces = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested = nested.saturating_sub(1),
            b'{' => braces += 1,
            b'}' if braces <= 1 => return offset + 1,
            b'}' => braces -= 1,
            b';' if braces == 0 && nested == 0 => return offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// The functions of `code` that have a body.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for at in occurrences(code, "fn") {
        let signature = code[at + "fn".len()..].trim_start();
        let name: String =
            signature.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let item = &code[at..end_of_item(code, at)];
        if !name.is_empty() && item.ends_with('}') {
            functions.push(Function { name, lines: 1 + item.matches('\n').count() });
        }
    }
    functions
}

/// `code` with the items that only tests are built with blanked.
pub(crate) fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut at = 0;
    while let Some(found) = code[at..].find("#[cfg(test)]") {
        let start = at + found;
        let end = end_of_item(code, start + "#[cfg(test)]".len());
        kept.push_str(&code[at..start]);
        kept.extend(code[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }));
        at = end;
    }
    kept.push_str(&code[at..]);
    kept
}
