//! What the documents tell people to type, and what they say will be seen.

/// A block of a document, without its fences.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// One command a line, without comments. A line that ends with a backslash goes on.
    Commands(Vec<String>),
    /// What a command prints, in its shape.
    Expected(String),
}

/// The blocks below a heading (`## Name`), up to the next one of its kind.
pub fn section(document: &str, name: &str) -> Vec<Block> {
    let heading = format!("\n## {name}\n");
    let start = document.find(&heading).unwrap_or_else(|| panic!("no section {name:?}")) + heading.len();
    let rest = &document[start..];
    blocks(rest.find("\n## ").map_or(rest, |end| &rest[..end]))
}

pub fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut open) = (Vec::new(), None::<(bool, Vec<&str>)>);
    for line in text.lines() {
        match (&mut open, line.trim().strip_prefix("```")) {
            (None, Some(language)) => open = Some((language == "sh", Vec::new())),
            (Some(_), Some(_)) => {
                let (is_sh, lines) = open.take().unwrap();
                found.push(if is_sh { Block::Commands(commands(&lines)) } else { Block::Expected(lines.join("\n")) });
            }
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => {}
        }
    }
    found
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
    fn what_differs_from_run_to_run_has_one_shape() {
        let (one, other) = (
            " 3m ago   01a201cc-f6c4-7391-a8d5-bc7ac2bf83ce  12.5 MB",
            "14s ago 01a201cc-f6fb-74c4-a781-6ee0ceadd323 3.75 MB",
        );
        assert_eq!(shape(one), shape(other));
        assert_ne!(shape("2 replayed:"), shape("2 resolved:"));
    }
}
