//! Columns of text, as wide as their longest cell. No I/O.

use std::fmt::Display;

/// Rows of cells, the first row being the heading; columns in `right` are aligned to the right. Each line begins with `indent` and
/// ends without spaces.
#[must_use]
pub fn table(indent: &str, right: &[usize], rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        for (column, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            if right.contains(&column) {
                line += &padding;
                line += cell;
            } else {
                line += cell;
                line += &padding;
            }
            line += "  ";
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A row.
#[must_use]
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.into_iter().map(str::to_owned).collect()
}

/// `before → after`, or one figure when they are the same or there is only one.
#[must_use]
pub fn arrow<T: Display + PartialEq>(before: Option<T>, after: Option<T>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
        (_, Some(figure)) | (Some(figure), None) => figure.to_string(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_never_narrower_than_a_cell_nor_counted_in_bytes() {
        let rows = [row(["PLACE", "W"]), row(["Liepāja", "5"]), row(["x", "1234"])];
        assert_eq!(
            table("  ", &[1], &rows),
            "  PLACE       W\n  Liepāja     5\n  x        1234\n"
        );
    }
}
