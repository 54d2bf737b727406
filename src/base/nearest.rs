//! The known name that a misspelled one was probably meant to be.

/// The known name nearest to `word`, if what is between them is a slip of the hand.
pub fn nearest<'a>(known: impl Iterator<Item = &'a str>, word: &str) -> Option<&'a str> {
    // A third of the letters wrong is a slip; more is another word.
    let slip = (word.len() / 3).min(3);
    let nearest = known.min_by_key(|name| distance(name, word));
    nearest.filter(|name| distance(name, word) <= slip)
}

/// Fewest letters to insert, remove, change, or exchange with the next, to make one name of the other.
fn distance(known: &str, word: &str) -> usize {
    // A word of any length costs no more than one somewhat longer than a known name.
    if word.len() > 2 * known.len() {
        return word.len();
    }
    let (known, word) = (known.as_bytes(), word.as_bytes());
    let mut rows: Vec<Vec<usize>> = vec![(0..=word.len()).collect()];
    for (index, letter) in known.iter().enumerate() {
        let above = &rows[index];
        let mut row = vec![index + 1];
        for (column, other) in word.iter().enumerate() {
            let changed = above[column] + usize::from(letter != other);
            let mut fewest = changed.min(above[column + 1] + 1).min(row[column] + 1);
            let exchanged = || known[index - 1] == *other && word[column - 1] == *letter;
            if index > 0 && column > 0 && exchanged() {
                fewest = fewest.min(rows[index - 1][column - 1] + 1);
            }
            row.push(fewest);
        }
        rows.push(row);
    }
    rows[known.len()][word.len()]
}
