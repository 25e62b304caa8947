//! What the local functions log: as text on the screen, and as it is into the log that `solo logs` reads.

use crate::{
    logs::{Level, Line},
    project::Project,
    stack::{LARGEST_LOG, LogFile, Output, functions_log},
};

/// Nobody waits for jobs that went well: the tick's come every minute.
const JOB: &str = "job";

pub fn to_screen_and_file(project: &Project) -> anyhow::Result<Output> {
    let (path, before) = functions_log(project);
    let mut file = Some(LogFile::open(path, before, LARGEST_LOG)?);
    Ok(Output::Lines(Box::new(move |text| {
        let Some(line) = Line::read(text, None) else {
            // The emulator's own words. Metrics are for CloudWatch.
            if !text.starts_with("{\"_aws\"") {
                println!("{text}");
            }
            return;
        };
        if let Some(Err(error)) = file.as_mut().map(|file| file.write(text)) {
            eprintln!("the functions' log cannot be written any more: {error}");
            file = None;
        }
        let went_well = line.level == Level::Info && line.fields.get("target").is_some_and(|target| target == JOB);
        if !went_well {
            anstream::println!("{}", line.words(&[]));
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_functions_are_kept_as_they_are_and_nothing_else_is() {
        let root = tempfile::tempdir().unwrap();
        let project = Project { root: root.path().to_owned() };
        let (path, _) = functions_log(&project);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let Output::Lines(mut take) = to_screen_and_file(&project).unwrap() else { panic!("lines are wanted") };
        let line = |target: &str| {
            format!(
                r#"{{"timestamp":"2026-11-22T15:04:05Z","level":"INFO","function":"worker","message":"m","target":"{target}"}}"#
            )
        };
        let (ours, job) = (line("worker::tick"), line("job"));
        for text in [&ours, "Compiling ...", r#"{"_aws":{},"level":"INFO"}"#, "", &job] {
            take(text);
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), format!("{ours}\n{job}\n"));
    }
}
