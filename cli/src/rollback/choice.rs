//! Which release to go back to. Pure: what is deployed and what is on record come in as values.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use ops::Deployment;

use crate::aliases::Function;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// The newest release that an alias points at.
    pub current: String,
    pub target: String,
    /// Functions that are newer than the target, and stay as they are.
    pub left: Vec<String>,
}

const NO_RELEASES: &str = "the versions do not say which release they are (plain `sam deploy` leaves `manual`), so which of \
     them belong together is unknown. Bring back the commit that worked (`git checkout <commit>`) and deploy it with \
     `solo deploy`; from then on a rollback is one command";

/// The newest release before the current one that every function has, and that is not known to be bad.
pub fn previous(functions: &[Function], bad: &BTreeSet<String>) -> anyhow::Result<Choice> {
    let current = current(functions).context(NO_RELEASES)?.to_owned();
    let before: Vec<_> = functions.iter().map(|function| before(function, &current)).collect();
    let left = functions.iter().zip(&before).filter(|(_, before)| before.is_empty());
    let left = left.map(|(function, _)| function.name.clone()).collect();
    let older: Vec<_> = before.into_iter().filter(|releases| !releases.is_empty()).collect();
    let Some((first, others)) = older.split_first() else {
        bail!("there is nothing to go back to: {current} is the first release that is known")
    };
    let everywhere = |release: &&str| others.iter().all(|releases| releases.contains_key(*release));
    let mut candidates: Vec<_> = first.iter().filter(|(release, _)| everywhere(release)).collect();
    candidates.sort_unstable_by_key(|(_, number)| std::cmp::Reverse(**number));
    if candidates.is_empty() {
        bail!("no release before {current} has a version of every function; `--list` shows what there is");
    }
    let good = candidates.iter().find(|(release, _)| !bad.contains(**release));
    match good {
        Some((target, _)) => Ok(Choice { target: (**target).to_owned(), current, left }),
        None => bail!(
            "every release before {current} was rolled back, or failed; `--list` shows them, and `--to <release>` takes \
             one all the same"
        ),
    }
}

/// The release that was asked for, by its name or the start of it.
pub fn named(functions: &[Function], wanted: &str) -> anyhow::Result<Choice> {
    let known: BTreeSet<&str> = releases(functions);
    if known.is_empty() {
        bail!("{NO_RELEASES}");
    }
    let fitting: Vec<_> = known.iter().filter(|release| release.starts_with(wanted)).collect();
    let target = match (known.get(wanted), fitting.as_slice()) {
        (Some(exact), _) => *exact,
        (None, [one]) => **one,
        (None, []) => bail!("no function has a version of {wanted}; `--list` shows the releases that there are"),
        (None, _) => bail!("{wanted} is the start of {} releases; write more of it", fitting.len()),
    };
    let without: Vec<_> = functions.iter().filter(|function| function.version_of(target).is_none()).collect();
    if let [one, ..] = without.as_slice() {
        bail!("{target} has no version of {} ({} of {} functions lack one)", one.name, without.len(), functions.len());
    }
    let current = current(functions).unwrap_or("unknown").to_owned();
    Ok(Choice { current, target: target.to_owned(), left: Vec::new() })
}

/// The newest release that an alias points at. They differ after a rollback that was not finished.
pub fn current(functions: &[Function]) -> Option<&str> {
    let mut newest = None;
    for release in functions.iter().filter_map(Function::release) {
        newest = match newest {
            Some(other) if !is_newer(functions, release, other) => Some(other),
            _ => Some(release),
        };
    }
    newest
}

fn is_newer(functions: &[Function], release: &str, other: &str) -> bool {
    let both = functions.iter().find_map(|function| function.version_of(release).zip(function.version_of(other)));
    both.is_some_and(|(release, other)| release > other)
}

fn releases(functions: &[Function]) -> BTreeSet<&str> {
    let versions = functions.iter().flat_map(|function| &function.versions);
    versions.filter_map(|version| version.release.as_deref()).collect()
}

/// The releases of a function before the current one, with their newest versions there.
fn before<'f>(function: &'f Function, current: &str) -> BTreeMap<&'f str, u64> {
    let is_current = function.release() == Some(current);
    let ceiling = if is_current { Some(function.current) } else { function.version_of(current) };
    let ceiling = ceiling.unwrap_or(function.current + 1);
    let older = function.versions.iter().filter(|version| version.number < ceiling);
    let named = older.filter_map(|version| Some((version.release.as_deref()?, version.number)));
    named.filter(|(release, _)| *release != current).collect()
}

/// Releases about which the latest thing on record (`deployments` is newest first) is that they failed or were left.
pub fn bad(deployments: &[Deployment]) -> BTreeSet<String> {
    let mut verdicts: BTreeMap<&str, bool> = BTreeMap::new();
    for deployment in deployments {
        let succeeded = deployment.outcome == "succeeded";
        if deployment.kind == "rollback" {
            if succeeded {
                verdicts.entry(&deployment.release).or_insert(false);
            }
            if let Some(previous) = &deployment.previous {
                verdicts.entry(previous).or_insert(true);
            }
        } else {
            verdicts.entry(&deployment.release).or_insert(!succeeded);
        }
    }
    verdicts.into_iter().filter(|(_, bad)| *bad).map(|(release, _)| release.to_owned()).collect()
}

/// Every release, newest first, with how many functions have it.
pub fn timeline(functions: &[Function]) -> Vec<(&str, usize)> {
    let mut known: Vec<_> = releases(functions).into_iter().collect();
    let newest = |release: &str| functions.iter().filter_map(|function| function.version_of(release)).max();
    known.sort_unstable_by_key(|release| std::cmp::Reverse(newest(release)));
    let having = |release: &str| functions.iter().filter(|function| function.version_of(release).is_some()).count();
    known.into_iter().map(|release| (release, having(release))).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::aliases::tests::function;

    fn none() -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn target(functions: &[Function], bad: &[&str]) -> Result<String, String> {
        let bad = bad.iter().map(|release| (*release).to_owned()).collect();
        previous(functions, &bad).map(|choice| choice.target).map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_the_release_before() {
        let functions = [function("a", 3, &["r1", "r2", "r3"]), function("b", 3, &["r1", "r2", "r3"])];
        assert_eq!(target(&functions, &[]).unwrap(), "r2");
        assert_eq!(target(&functions, &["r2"]).unwrap(), "r1");
        assert!(target(&functions, &["r1", "r2"]).unwrap_err().contains("--to"));
    }

    /// A failed deployment leaves versions of some functions.
    #[test]
    fn a_release_that_not_every_function_has_is_none() {
        let functions = [function("a", 3, &["r1", "r2", "r3"]), function("b", 2, &["r1", "r3"])];
        assert_eq!(target(&functions, &[]).unwrap(), "r1");
        let functions = [function("a", 2, &["r1", "r3"]), function("b", 2, &["r2", "r3"])];
        assert!(target(&functions, &[]).unwrap_err().contains("every function"));
    }

    #[test]
    fn what_is_newer_than_the_current_release_is_not_gone_to() {
        let functions = [function("a", 2, &["r1", "r2", "r3"])];
        assert_eq!(target(&functions, &[]).unwrap(), "r1");
    }

    /// The second run aims at the same release as the first.
    #[test]
    fn a_rollback_that_was_not_finished_is_finished() {
        let functions = [function("a", 2, &["r1", "r2", "r3"]), function("b", 3, &["r1", "r2", "r3"])];
        assert_eq!(
            previous(&functions, &none()).unwrap(),
            Choice { current: "r3".into(), target: "r2".into(), left: vec![] }
        );
    }

    #[test]
    fn a_function_that_is_new_stays() {
        let functions = [function("a", 2, &["r1", "r2"]), function("b", 1, &["r2"])];
        let choice = previous(&functions, &none()).unwrap();
        assert_eq!((choice.target.as_str(), choice.left), ("r1", vec!["b".to_owned()]));
    }

    #[test]
    fn without_releases_it_says_what_to_do() {
        let functions = [function("a", 2, &["", ""])];
        assert!(target(&functions, &[]).unwrap_err().contains("solo deploy"));
        assert!(named(&functions, "r1").unwrap_err().to_string().contains("solo deploy"));
        assert!(target(&[function("a", 1, &["r1"])], &[]).unwrap_err().contains("nothing to go back to"));
    }

    #[test]
    fn a_release_is_named_by_its_start() {
        let functions = [function("a", 3, &["abc1", "abd2", "r3"]), function("b", 2, &["abc1", "r3"])];
        assert_eq!(named(&functions, "abc").unwrap().target, "abc1");
        for (wanted, expected) in [("ab", "write more"), ("abd2", "no version of b"), ("x", "--list")] {
            let fault = named(&functions, wanted).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn the_latest_thing_on_record_decides() {
        let entry = |kind: &str, release: &str, previous: Option<&str>, outcome: &str| Deployment {
            id: Uuid::nil(),
            kind: kind.into(),
            release: release.into(),
            previous: previous.map(Into::into),
            outcome: outcome.into(),
            detail: None,
            actor: "ada".into(),
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: Timestamp::UNIX_EPOCH,
        };
        let newest_first = [
            entry("deploy", "r5", Some("r4"), "rolled_back"),
            entry("deploy", "r2", Some("r1"), "succeeded"),
            entry("rollback", "r1", Some("r2"), "succeeded"),
            entry("rollback", "r0", Some("r3"), "failed"),
        ];
        assert_eq!(bad(&newest_first).into_iter().collect::<Vec<_>>(), ["r3", "r5"]);
    }
}
