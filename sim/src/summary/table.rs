//! Columns of text, each as wide as its widest cell.

/// To which side of its column a cell is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows of cells. A row may have fewer cells than there are columns.
#[derive(Debug)]
pub(super) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// One side for each column.
    pub(super) fn new(sides: impl IntoIterator<Item = Side>) -> Table {
        Table { sides: sides.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row below the others.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A line for each row, after `indent`; no line ends with a space.
    pub(super) fn text(&self, indent: &str) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.sides.len()).map(width).collect();
        self.rows.iter().fold(String::new(), |text, row| {
            let cells = row.iter().zip(&self.sides).zip(&widths).map(|((cell, side), width)| match side {
                Side::Left => format!("{cell:<width$}"),
                Side::Right => format!("{cell:>width$}"),
            });
            let line = format!("{indent}{}", cells.collect::<Vec<_>>().join("  "));
            text + line.trim_end() + "\n"
        })
    }
}
