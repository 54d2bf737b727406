//! Characters that nobody sees, or that are taken for others, as Unicode has them.

use super::planes::PLANES;

/// Whether a terminal, or a person, can take the character for something that it isn't: one that
/// controls, turns the direction of text, is blank or invisible, or has no meaning that is known.
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_control();
    }
    let code = u32::from(c);
    let low = code as u16;
    let before = PLANES[(code >> 16) as usize].partition_point(|bound| *bound <= low);
    before % 2 == 1
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
    use icu_properties::{CodePointMapData, CodePointSetData};

    use super::is_hidden;

    /// Blank or invisible as the standard describes them, though they have no property that says so.
    const BLANK: [(u32, &str); 8] = [
        (0x2800, "BRAILLE PATTERN BLANK"),
        (0x2d7f, "TIFINAGH CONSONANT JOINER"),
        (0xfffc, "OBJECT REPLACEMENT CHARACTER"),
        (0x1107f, "BRAHMI NUMBER JOINER"),
        (0x13441, "EGYPTIAN HIEROGLYPH FULL BLANK"),
        (0x13442, "EGYPTIAN HIEROGLYPH HALF BLANK"),
        (0x16fe4, "KHITAN SMALL SCRIPT FILLER"),
        (0x1d159, "MUSICAL SYMBOL NULL NOTEHEAD"),
    ];

    fn is_hidden_by_property(code: u32) -> bool {
        use GeneralCategory as Category;
        let category = CodePointMapData::<Category>::new().get32(code);
        let is_seen = match category {
            Category::Control
            | Category::Format
            | Category::PrivateUse
            | Category::Surrogate
            | Category::Unassigned
            | Category::LineSeparator
            | Category::ParagraphSeparator => false,
            Category::SpaceSeparator => code == u32::from(' '),
            _ => !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains32(code),
        };
        !is_seen || BLANK.iter().any(|(blank, _)| *blank == code)
    }

    /// The file beside this one, as Unicode would have it.
    fn generated() -> String {
        let mut text = String::from(
            "//! Where in each plane of Unicode characters begin and cease to be hidden, as a test writes it.\n\n\
             /// Of each of the 17 planes the lower halves of the first that is hidden, of the first behind it\n\
             /// that is not, and so on.\n\
             #[rustfmt::skip]\n\
             pub const PLANES: [&[u16]; 17] = [\n",
        );
        for plane in 0..17 {
            let (mut bounds, mut hidden) = (Vec::new(), false);
            for low in 0..=0xffff {
                if is_hidden_by_property(plane << 16 | low) != hidden {
                    hidden = !hidden;
                    bounds.push(format!("0x{low:04x}"));
                }
            }
            let lines: Vec<_> = bounds.chunks(11).map(|line| line.join(", ")).collect();
            let _ = writeln!(text, "    &[{}],", lines.join(",\n      "));
        }
        text + "];\n"
    }

    #[test]
    fn the_table_is_that_of_unicode() {
        let right = generated();
        let is_right = right == include_str!("planes.rs");
        let path = std::env::temp_dir().join("planes.rs");
        if !is_right {
            std::fs::write(&path, right).unwrap();
        }
        assert!(
            is_right,
            "Unicode has changed: take {} for src/base/quote/planes.rs",
            path.display()
        );
    }

    #[test]
    fn every_character_is_found() {
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            assert_eq!(is_hidden(c), is_hidden_by_property(c.into()), "{c:?}");
        }
    }
}
