//! Following: looks, one after the other, and what there is to say of them.

use std::process::ExitCode;

use shared::clock;
use tokio::time::sleep;

use super::{Source, line::Line, print::Printer, wanted::Wanted};
use crate::ui;

/// What a look found.
#[derive(Debug)]
pub struct Look {
    pub lines: Vec<Line>,
    /// In words: why this is not all that there is.
    pub trouble: Option<String>,
}

/// Until Ctrl-C. What goes wrong is said, and tried again.
pub async fn follow(source: &mut Source, wanted: &Wanted, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let mut said = Said::default();
    loop {
        sleep(source.pause()).await;
        let trouble = match source.more(wanted, clock::now()).await {
            Ok(Look { lines, trouble }) => {
                printer.lines(&lines)?;
                trouble
            }
            Err(error) => Some(format!("{error:#}; trying again")),
        };
        if let Some(news) = said.news(trouble) {
            ui::note(&news);
        }
    }
}

/// Looks come every few seconds, and what is in their way stays the same for long: it is said once, and again when it came back.
#[derive(Default)]
struct Said(Option<String>);

impl Said {
    fn news(&mut self, trouble: Option<String>) -> Option<String> {
        if self.0 == trouble {
            return None;
        }
        self.0.clone_from(&trouble);
        trouble
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_once_until_it_changes() {
        let mut said = Said::default();
        let mut news = |trouble: Option<&str>| said.news(trouble.map(Into::into));
        assert_eq!(news(None), None);
        assert_eq!(news(Some("no network")).as_deref(), Some("no network"));
        assert_eq!(news(Some("no network")), None);
        assert_eq!(news(Some("no right")).as_deref(), Some("no right"));
        assert_eq!(news(None), None);
        assert_eq!(news(Some("no right")).as_deref(), Some("no right"), "it came back");
    }
}
