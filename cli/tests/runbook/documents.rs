//! What the documents tell people to type, and what they say will be seen.

/// A block of a document, without its fences.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// One command a line, without comments. A line that ends with a backslash goes on.
    Commands(Vec<String>),
    /// What a command prints, in its shape.
    Expected(String),
    /// Commands of `solo` as code in the text, in tables and in comments, as a block would have them.
    Mentioned(Vec<String>),
}

const SOLO: &str = "target/debug/solo ";
const STAGE: &str = " --stage ";

/// The blocks below a heading (`## Name`), up to the next one of its kind.
pub fn section(document: &str, name: &str) -> Vec<Block> {
    let heading = format!("\n## {name}\n");
    let start = document.find(&heading).unwrap_or_else(|| panic!("no section {name:?}")) + heading.len();
    let rest = &document[start..];
    blocks(rest.find("\n## ").map_or(rest, |end| &rest[..end]))
}

pub fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut open) = (Vec::new(), None::<&str>);
    let mut lines = Vec::new();
    for line in text.lines() {
        let Some(language) = line.trim().strip_prefix("```") else {
            lines.push(line);
            continue;
        };
        match open {
            None => mention(&mut found, &lines),
            Some("sh") => {
                let comments: Vec<_> = lines.iter().map(|line| &line[without_comment(line).len()..]).collect();
                mention(&mut found, &comments);
                found.push(Block::Commands(commands(&lines)));
            }
            Some("") => found.push(Block::Expected(lines.join("\n"))),
            // A piece of a file.
            Some(_) => {}
        }
        open = if open.is_none() { Some(language) } else { None };
        lines.clear();
    }
    mention(&mut found, &lines);
    found
}

fn mention(found: &mut Vec<Block>, lines: &[&str]) {
    let mut commands = Vec::new();
    for paragraph in lines.join("\n").split("\n\n") {
        let parts: Vec<_> = paragraph.split('`').collect();
        assert!(parts.len() % 2 == 1, "code without an end: {paragraph}");
        // Code may go on in the next line.
        let code = parts.iter().skip(1).step_by(2).map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "));
        commands.extend(code.filter_map(|code| {
            let what = code.strip_prefix(SOLO).or_else(|| code.strip_prefix("solo "))?;
            Some(format!("{SOLO}{what}"))
        }));
    }
    if !commands.is_empty() {
        found.push(Block::Mentioned(commands));
    }
}

/// The local stack is meant without `--stage`, and prints none.
pub fn on_the_local_stack(text: &str) -> String {
    let mut parts = text.split(STAGE);
    let mut local = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        local.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || "<>".contains(letter)));
    }
    local
}

fn commands(lines: &[&str]) -> Vec<String> {
    let whole = lines.join("\n").replace("\\\n", " ");
    whole.lines().map(|line| without_comment(line).trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// A `#` after a space begins a comment, unless it is quoted.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (place, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, '#') if before == ' ' => return &line[..place],
            _ => {}
        }
        before = letter;
    }
    line
}

/// The same for two runs of one command: ids, times and numbers made alike, spaces and the marks of tables taken out.
pub fn shape(line: &str) -> String {
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        let digits_alike: String =
            word.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
        words.push(match word {
            _ if word.len() == 36 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') => "ID".into(),
            _ => squeeze(&digits_alike),
        });
    }
    // `3s ago`, `12m ago`
    words
        .iter()
        .map(|word| if matches!(word.as_str(), "0s" | "0m" | "0h" | "0d") { "0s" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The first line that is expected and not there, whatever the ids, times and numbers. `...` stands for any lines.
pub fn missing<'e>(expected: &'e str, said: &str) -> Option<&'e str> {
    let shapes: Vec<_> = said.lines().map(shape).collect();
    let mut lines = expected.lines().filter(|line| !line.trim().is_empty() && line.trim() != "...");
    lines.find(|line| !shapes.contains(&shape(line)))
}

fn squeeze(word: &str) -> String {
    let mut short = String::new();
    for letter in word.chars() {
        if letter != '0' || !short.ends_with('0') {
            short.push(letter);
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_its_commands_and_what_they_print() {
        let text = "# T\n\n## A\n\nx\n\n```sh\nsolo a   # why\nsolo b \\\n  --c '# d'\n```\n\n```\n A  B\n```\n\n## B\n\n```sh\nsolo e\n```\n";
        let commands = Block::Commands(vec!["solo a".into(), "solo b    --c '# d'".into()]);
        assert_eq!(section(text, "A"), [commands, Block::Expected(" A  B".into())]);
        assert_eq!(section(text, "B"), [Block::Commands(vec!["solo e".into()])]);
    }

    #[test]
    fn commands_in_the_text_and_in_comments_are_found_and_pieces_of_files_are_none() {
        let text = "a `solo b <id>`, `solo`, `x solo c`\n\n| `target/debug/solo d` | `solo\ne` |\n```toml\nf = 1\n```\n```sh\nsolo g # `solo h`\n```\n`solo i`\n";
        let mentioned =
            |all: &[&str]| Block::Mentioned(all.iter().map(|what| format!("target/debug/solo {what}")).collect());
        let commands = Block::Commands(vec!["solo g".into()]);
        assert_eq!(blocks(text), [mentioned(&["b <id>", "d", "e"]), mentioned(&["h"]), commands, mentioned(&["i"])]);
    }

    #[test]
    fn the_local_stack_knows_no_stage() {
        for (text, local) in [
            ("solo a --stage <stage> --b", "solo a --b"),
            ("solo a --stage production\n  solo c --stage staging, or", "solo a\n  solo c, or"),
            ("solo a --target staging", "solo a --target staging"),
        ] {
            assert_eq!(on_the_local_stack(text), local);
        }
    }

    #[test]
    fn a_line_that_is_not_printed_is_missing() {
        assert_eq!(missing("1 resolved:\n...\n  a  b\n", "12 resolved:\nx\n a b"), None);
        assert_eq!(missing("1 resolved:\n  a  c\n", "12 resolved:\n a b"), Some("  a  c"));
    }

    #[test]
    fn what_differs_from_run_to_run_has_one_shape() {
        let (one, other) = (
            " 3m ago   01a201cc-f6c4-7391-a8d5-bc7ac2bf83ce  12.5 MB",
            "14s ago 01a201cc-f6fb-74c4-a781-6ee0ceadd323 3.75 MB",
        );
        assert_eq!(shape(one), shape(other));
        assert_ne!(shape("2 replayed:"), shape("2 resolved:"));
    }
}
