//! The table of contents of an archive (`pg_restore --list`), and what of it is left out.

use std::collections::BTreeSet;

/// Who restores, as far as the contents are concerned.
pub(super) enum Can {
    /// A superuser.
    Everything,
    /// Not what takes a superuser, and so none of these extensions.
    AllBut(BTreeSet<String>),
}

/// What begins an entry's description, after its three numbers, and cannot be restored by whoever is no superuser.
const FOR_SUPERUSERS: &[&str] =
    &["EVENT TRIGGER ", "COMMENT - EXTENSION ", "COMMENT - EVENT TRIGGER ", "FOREIGN DATA WRAPPER "];
/// A copy must not take part in another database's replication.
const FOR_NOBODY: &[&str] = &["SUBSCRIPTION ", "SUBSCRIPTION TABLE ", "COMMENT - SUBSCRIPTION "];

/// The list without what cannot be restored, and the descriptions of that. `pg_restore --use-list` takes it.
pub(super) fn list_file(list: &str, can: &Can) -> (String, Vec<String>) {
    let (mut kept, mut left_out) = (String::with_capacity(list.len()), Vec::new());
    for line in list.lines() {
        match description(line) {
            Some(what) if is_left_out(what, can) => left_out.push(what.to_owned()),
            _ => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    (kept, left_out)
}

/// How many entries there are.
pub(crate) fn count(list: &str) -> usize {
    list.lines().filter(|line| description(line).is_some()).count()
}

fn is_left_out(what: &str, can: &Can) -> bool {
    let begins = |some: &[&str]| some.iter().any(|kind| what.starts_with(kind));
    if begins(FOR_NOBODY) {
        return true;
    }
    let Can::AllBut(extensions) = can else { return false };
    let extension = what.strip_prefix("EXTENSION - ").map(str::trim_end);
    begins(FOR_SUPERUSERS)
        || is_publication_of_everything(what)
        || extension.is_some_and(|name| extensions.contains(name))
}

/// `CREATE PUBLICATION ... FOR ALL TABLES` takes a superuser, and the list does not tell which ones are.
fn is_publication_of_everything(what: &str) -> bool {
    what.starts_with("PUBLICATION ") || what.starts_with("COMMENT - PUBLICATION ")
}

/// `3481; 1259 16390 TABLE public executions solo_owner`: what follows the numbers. `None` for a comment.
fn description(line: &str) -> Option<&str> {
    let (id, rest) = line.split_once("; ")?;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    rest.splitn(3, ' ').nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
;
; Archive created at 2026-11-22 01:30:00 UTC
;     Dumped by pg_dump version: 18.6
;
2; 3079 16385 EXTENSION - pg_trgm \n3; 3079 16386 EXTENSION - pg_stat_statements \n3500; 0 0 COMMENT - EXTENSION pg_trgm \n219; 1259 16390 TABLE public EVENT TRIGGER solo_owner
3360; 3466 16500 EVENT TRIGGER - watch postgres
3361; 6100 16501 SUBSCRIPTION - theirs postgres
3362; 6104 16502 PUBLICATION - ours postgres
3363; 6106 16503 PUBLICATION TABLE public ours executions postgres
";

    #[test]
    fn what_only_a_superuser_can_make_is_left_out_and_named() {
        let (kept, left_out) = list_file(LIST, &Can::AllBut(["pg_stat_statements".to_owned()].into()));
        let expected = [
            "EXTENSION - pg_stat_statements ",
            "COMMENT - EXTENSION pg_trgm ",
            "EVENT TRIGGER - watch postgres",
            "SUBSCRIPTION - theirs postgres",
            "PUBLICATION - ours postgres",
            "PUBLICATION TABLE public ours executions postgres",
        ];
        assert_eq!(left_out, expected);
        assert!(kept.contains("TABLE public EVENT TRIGGER") && kept.contains("EXTENSION - pg_trgm"));
        assert_eq!(list_file(LIST, &Can::Everything).1, ["SUBSCRIPTION - theirs postgres"]);
        assert_eq!((count(LIST), count(&kept)), (8, 2));
    }
}
