//! Words that must never be seen: secrets that do not print themselves, and the one place that takes secrets out of text.

use std::fmt;

/// A password, key or token. Printing it shows that it is there, never what it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for whoever must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// `text` with the secret parts of all addresses in it taken out: what stands between `://` and `@`, and all behind a
/// `?` up to the address's end. Errors of HTTP clients and databases quote addresses whole, presigned ones among them.
pub fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        // Whoever wrote an address into a sentence may have put it in quotes; a password may hold some.
        let authority = after.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let host = authority.rfind('@').unwrap_or(0);
        let end = after[host..]
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`'))
            .map_or(after.len(), |end| host + end);
        let (address, behind) = after.split_at(end);
        if authority[..host].contains('?') {
            // Either a password with a `?`, or a query with an `@`.
            out.push('…');
            rest = behind;
            continue;
        }
        let authority_end = address[host..].find(['/', '?', '#']).map_or(address.len(), |end| host + end);
        let (authority, path) = address.split_at(authority_end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str("…@");
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        match path.split_once('?') {
            Some((path, query)) => {
                out.push_str(path);
                out.push_str("?…");
                // What closes a bracket around the address is not the address's.
                out.extend(
                    query
                        .chars()
                        .rev()
                        .take_while(|c| matches!(c, ')' | ']' | ',' | '.' | ':' | ';'))
                        .collect::<Vec<_>>()
                        .into_iter()
                        .rev(),
                );
            }
            None => out.push_str(path),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Some(Secret::new("s3cr3t"))), "Some([secret])");
    }

    #[test]
    fn u25_query_strings_and_passwords_are_taken_out_of_addresses() {
        let table = [
            ("no address at all? really", "no address at all? really"),
            ("get https://h/a/b?X-Amz-Signature=1&b=2 failed", "get https://h/a/b?… failed"),
            ("(https://h/a?x=1): refused", "(https://h/a?…): refused"),
            ("postgres://me:secret@db:5432/x", "postgres://…@db:5432/x"),
            ("a https://h?k=1 and b http://u:p@h/ c", "a https://h?… and b http://…@h/ c"),
            ("https://h/päth?ü=1", "https://h/päth?…"),
            ("at 'postgres://me:it's@db/x': refused", "at 'postgres://…@db/x': refused"),
            ("\"postgres://me:12#3<4@db/x?y=z\"", "\"postgres://…@db/x?…\""),
            ("https://h?mail=a@b&k=1 and https://h/?mail=a@b&k=1", "https://… and https://h/?…"),
            ("s3://bucket/a@b/c?d and m@x.org", "s3://bucket/a@b/c?… and m@x.org"),
        ];
        for (text, shown) in table {
            assert_eq!(redacted(text), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_password_survives_unless_it_has_a_slash_or_a_space(password in "[!-.0-~äß]{0,10}pass[!-.0-~äß]{0,10}") {
            let shown = redacted(&format!("can't reach 'postgres://me:{password}@host/db' at once"));
            proptest::prop_assert!(!shown.contains("pass") && shown.ends_with("' at once"), "{}", shown);
        }

        #[test]
        fn nothing_behind_a_question_mark_in_an_address_survives(path in "[a-z/]{0,10}", query in "[a-zA-Z0-9=&%-]{1,30}") {
            let shown = redacted(&format!("error for url (https://host/{path}?{query}) at once"));
            proptest::prop_assert_eq!(shown, format!("error for url (https://host/{path}?…) at once"));
        }
    }
}
