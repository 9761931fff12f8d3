//! Files and folders → documents, each with where it came from. I/O: reads files and standard input.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;

/// Folders in folders that are followed; a link that leads in a circle ends here.
const DEEPEST: usize = 32;

/// Where a document came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, or `standard input`.
    pub file: String,
    /// Which document of the file, from 1.
    pub document: usize,
    /// Which item, from 1, when the document is a list.
    pub item: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}", self.file, self.document)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

/// One object as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where.
    pub origin: Origin,
    /// What.
    pub value: Value,
}

/// Why a document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub origin: Origin,
    /// The object, as far as it can be named; else empty.
    pub object: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.object.is_empty() {
            write!(f, "{}: ", self.object)?;
        }
        f.write_str(&self.message)
    }
}

/// Reads every document under `paths`, in the order of the paths and of the names below them.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Document>, Error> {
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(cannot_read(Path::new("standard input")))?;
            parse("standard input", &text, &mut documents, &mut faults);
            continue;
        }
        let mut files = Vec::new();
        collect(path, true, 0, &mut files)?;
        if files.is_empty() {
            return Err(Error::Usage(format!(
                "{} holds no file that ends in .yaml, .yml or .json: name another folder, or the file itself",
                path.display()
            )));
        }
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(cannot_read(&file))?;
            parse(&file.display().to_string(), &text, &mut documents, &mut faults);
        }
    }
    if faults.is_empty() {
        Ok(documents)
    } else {
        Err(Error::Documents(faults))
    }
}

fn cannot_read(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Read { path, source }
}

/// The files below `path`; a file that was named is taken whatever its ending, hidden ones only when they were named.
fn collect(path: &Path, named: bool, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let about = std::fs::metadata(path).map_err(cannot_read(path))?;
    if !about.is_dir() {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if named || matches!(ending, Some("yaml" | "yml" | "json")) {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    if depth == DEEPEST {
        return Ok(());
    }
    let mut below = Vec::new();
    for entry in std::fs::read_dir(path).map_err(cannot_read(path))? {
        below.push(entry.map_err(cannot_read(path))?.path());
    }
    below.sort();
    let hidden = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'))
    };
    below.retain(|path| !hidden(path));
    below
        .iter()
        .try_for_each(|path| collect(path, false, depth + 1, files))
}

/// Reads one text: JSON when it begins like an object, else YAML with any number of documents.
pub fn parse(file: &str, text: &str, documents: &mut Vec<Document>, faults: &mut Vec<Fault>) {
    let text = text.trim_start_matches('\u{feff}');
    let origin = |document| Origin {
        file: file.to_owned(),
        document,
        item: None,
    };
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return add(origin(1), value, documents);
    }
    for (index, (line, piece)) in split(text).into_iter().enumerate() {
        match serde_saphyr::from_str::<Value>(&piece) {
            Ok(Value::Null) => {}
            Ok(value) => add(origin(index + 1), value, documents),
            Err(_) if is_blank(&piece) => {}
            Err(error) => {
                // Said again with the lines above it, so that the line in the message is the line in the file.
                let whole = "\n".repeat(line) + &piece;
                let error = serde_saphyr::from_str::<Value>(&whole).err().unwrap_or(error);
                faults.push(Fault {
                    origin: origin(index + 1),
                    object: String::new(),
                    message: format!(
                        "is no YAML: {}",
                        error.to_string().trim_end().replace('\n', "\n    ")
                    ),
                });
            }
        }
    }
}

fn is_blank(piece: &str) -> bool {
    piece
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

/// The documents of a stream with the number of lines above each. `---` at the start of a line ends a document wherever it
/// stands, also inside a block of text: YAML says so. A first piece without content is no document.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut pieces: Vec<(usize, String)> = vec![(0, String::new())];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let rest = line
            .strip_prefix("---")
            .filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        match (rest, pieces.last_mut()) {
            (Some(rest), _) => pieces.push((number, rest.to_owned())),
            (None, Some((_, piece))) => piece.push_str(line),
            (None, None) => {}
        }
    }
    if pieces.len() > 1 && is_blank(&pieces[0].1) {
        pieces.remove(0);
    }
    pieces
}

/// A list is its items, as kubectl sees it.
fn add(origin: Origin, value: Value, documents: &mut Vec<Document>) {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value {
        Value::Object(mut fields) if is_list && fields.get("items").is_some_and(Value::is_array) => {
            if let Some(Value::Array(items)) = fields.remove("items") {
                for (index, value) in items.into_iter().enumerate() {
                    let origin = Origin {
                        item: Some(index + 1),
                        ..origin.clone()
                    };
                    documents.push(Document { origin, value });
                }
            }
        }
        value => documents.push(Document { origin, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Vec<Document>, Vec<Fault>) {
        let (mut documents, mut faults) = (Vec::new(), Vec::new());
        parse("x.yaml", text, &mut documents, &mut faults);
        (documents, faults)
    }

    #[test]
    fn a_document_is_never_counted_wrongly() {
        let (documents, faults) = all("# head\n---\na: 1\n---\n# nothing\n---\nb: 2\n--- {c: 3}\n");
        assert!(faults.is_empty(), "{faults:?}");
        let seen: Vec<_> = documents
            .iter()
            .map(|d| (d.origin.document, d.value.to_string()))
            .collect();
        assert_eq!(
            seen,
            [
                (1, r#"{"a":1}"#.to_owned()),
                (3, r#"{"b":2}"#.to_owned()),
                (4, r#"{"c":3}"#.to_owned())
            ]
        );
    }

    #[test]
    fn a_broken_document_never_hides_the_others_and_is_named() {
        let (documents, faults) = all("a: 1\n---\nb: [1\n---\nc: 3\n");
        assert_eq!(documents.len(), 2);
        assert_eq!(faults.len(), 1);
        let said = faults[0].to_string();
        assert!(said.starts_with("x.yaml, document 2: is no YAML:"), "{said}");
    }

    #[test]
    fn the_line_of_a_mistake_is_the_line_in_the_file() {
        let (_, faults) = all("a: 1\n---\nb: 2\nb: 3\n");
        assert!(faults[0].message.contains("line 4"), "{}", faults[0].message);
    }

    #[test]
    fn a_list_is_never_taken_for_one_object() {
        let (documents, _) = all("{\"kind\": \"List\", \"items\": [{\"a\": 1}, {\"b\": 2}]}");
        let items: Vec<_> = documents.iter().map(|d| d.origin.item).collect();
        assert_eq!(items, [Some(1), Some(2)]);
    }

    #[test]
    fn yaml_is_never_read_otherwise_than_kubectl_reads_it() {
        let (documents, _) = all("power: On\nquoted: \"On\"\n");
        assert_eq!(documents[0].value["power"], Value::Bool(true));
        assert_eq!(documents[0].value["quoted"], "On");
    }
}
