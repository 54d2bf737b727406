//! Text for a person, of which each piece has a weight.

/// How much a piece of text stands out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Weight {
    /// As the rest.
    Normal,
    /// Less: times, ids.
    Faint,
    /// The thing itself: a command, a path, an address.
    Strong,
    /// What failed.
    Failed,
    /// What is not in the log.
    Lost,
}

/// Text in pieces, each with its weight. Nothing in it is hidden.
#[derive(Default)]
pub struct Text(pub Vec<(Weight, String)>);

impl Text {
    /// Adds a piece that is ours, or has been through [`super::quote`].
    pub fn add(&mut self, weight: Weight, text: impl Into<String>) -> &mut Self {
        self.0.push((weight, text.into()));
        self
    }

    /// Adds a piece that is padded with spaces to a width, and one more.
    pub fn column(&mut self, weight: Weight, text: &str, width: usize) -> &mut Self {
        self.add(weight, format!("{text:width$} "))
    }
}
