//! Where lines are gathered: memory that is there before the first one comes.

/// Bytes one behind the other, in room that is taken at once.
#[derive(Default)]
pub struct Buffer {
    /// All of the room; what is behind `used` means nothing.
    room: Vec<u8>,
    used: usize,
}

impl Buffer {
    /// An empty buffer with room for so many bytes.
    pub fn with_room(length: usize) -> Self {
        Self {
            room: vec![0; length],
            used: 0,
        }
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.room[..self.used]
    }

    /// How many bytes are in it.
    pub fn length(&self) -> usize {
        self.used
    }

    /// Keeps so many bytes, and no more room than `most`.
    pub fn truncate(&mut self, length: usize, most: usize) {
        self.used = self.used.min(length);
        if self.room.len() > most.max(self.used) {
            self.room.truncate(most.max(self.used));
            self.room.shrink_to_fit();
        }
    }

    /// The next `length` bytes, to be filled in.
    pub fn room(&mut self, length: usize) -> &mut [u8] {
        let start = self.used;
        self.used += length;
        if self.used > self.room.len() {
            self.grow();
        }
        &mut self.room[start..self.used]
    }

    #[cold]
    fn grow(&mut self) {
        self.room.resize(self.used.next_power_of_two(), 0);
    }

    /// Puts one byte behind the others.
    pub fn push(&mut self, byte: u8) {
        self.room(1)[0] = byte;
    }

    /// Puts bytes behind the others.
    pub fn extend(&mut self, bytes: &[u8]) {
        copy(self.room(bytes.len()), bytes);
    }
}

/// Copies bytes into room of the same length. What lines are made of is a few bytes long, for which
/// the C library's way to begin takes longer than the copying: those are taken as two pieces, which
/// may overlap.
pub fn copy(room: &mut [u8], bytes: &[u8]) {
    match bytes.len() {
        16..=32 => ends::<16>(room, bytes),
        8..16 => ends::<8>(room, bytes),
        4..8 => ends::<4>(room, bytes),
        2..4 => ends::<2>(room, bytes),
        1 => room[0] = bytes[0],
        _ => room.copy_from_slice(bytes),
    }
}

fn ends<const N: usize>(room: &mut [u8], bytes: &[u8]) {
    if let (Some(into), Some(from)) = (room.first_chunk_mut::<N>(), bytes.first_chunk()) {
        *into = *from;
    }
    if let (Some(into), Some(from)) = (room.last_chunk_mut::<N>(), bytes.last_chunk()) {
        *into = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_all_lengths_come_out_as_they_went_in() {
        let bytes: Vec<u8> = (0..100).collect();
        let (mut buffer, mut whole) = (Buffer::default(), Vec::new());
        for length in 0..bytes.len() {
            buffer.extend(&bytes[..length]);
            buffer.push(b'|');
            whole.extend_from_slice(&bytes[..length]);
            whole.push(b'|');
        }
        assert_eq!(buffer.bytes(), whole);
    }

    #[test]
    fn room_is_given_back() {
        let mut buffer = Buffer::with_room(8);
        buffer.extend(&[7; 100]);
        assert_eq!(buffer.room.len(), 128);
        buffer.truncate(10, 8);
        assert_eq!((buffer.bytes(), buffer.room.len()), (&[7; 10][..], 10));
        buffer.truncate(0, 8);
        assert_eq!((buffer.length(), buffer.room.len()), (0, 8));
    }
}
