//! The lib0 encoding (PROTOCOL.md, "Encoding") over shared bytes: reading hands out slices of the frame, it copies nothing.

use bytes::Bytes;

use super::DecodeError;

/// The empty document's update, v1: no blocks, no deletions.
pub const EMPTY_UPDATE: &[u8] = &[0, 0];

/// Reads values from the front of a frame.
#[derive(Debug)]
pub struct Input<'a> {
    frame: &'a Bytes,
    at: usize,
}

impl<'a> Input<'a> {
    /// Starts at the front of `frame`.
    pub fn new(frame: &'a Bytes) -> Self {
        Self { frame, at: 0 }
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.at == self.frame.len()
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.frame.len() - self.at
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.frame.get(self.at).ok_or(DecodeError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// A variable-length number of at most 53 bits, as JavaScript has them.
    pub fn var_uint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..).step_by(7) {
            let byte = self.u8()?;
            if shift > 49 {
                return Err(DecodeError::NumberTooLarge);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        if value >> 53 != 0 {
            return Err(DecodeError::NumberTooLarge);
        }
        Ok(value)
    }

    /// A variable-length number of at most 32 bits.
    pub fn var_u32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.var_uint()?).map_err(|_| DecodeError::NumberTooLarge)
    }

    /// `len` bytes, checked against what is there.
    pub fn take(&mut self, len: u64) -> Result<&'a [u8], DecodeError> {
        if len > self.remaining() as u64 {
            return Err(DecodeError::Truncated);
        }
        let start = self.at;
        self.at += len as usize;
        Ok(&self.frame[start..self.at])
    }

    /// Bytes after their length.
    pub fn raw_buf(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.var_uint()?;
        self.take(len)
    }

    /// Bytes after their length, sharing the frame.
    pub fn buf(&mut self) -> Result<Bytes, DecodeError> {
        self.raw_buf().map(|raw| self.frame.slice_ref(raw))
    }

    /// Text after its length, sharing the frame.
    pub fn text_bytes(&mut self) -> Result<Bytes, DecodeError> {
        self.text().map(|text| self.frame.slice_ref(text.as_bytes()))
    }

    /// Text after its length.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.raw_buf()?).map_err(|_| DecodeError::Utf8)
    }
}

/// Appends a variable-length number.
pub fn put_var_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes after their length.
pub fn put_buf(out: &mut Vec<u8>, bytes: &[u8]) {
    put_var_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_up_to_53_bits_come_back_as_written() {
        for value in [0, 1, 127, 128, 300, 1 << 32, (1 << 53) - 1] {
            let mut raw = Vec::new();
            put_var_uint(&mut raw, value);
            let raw = Bytes::from(raw);
            let mut input = Input::new(&raw);
            assert_eq!(input.var_uint(), Ok(value));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn larger_and_cut_numbers_are_refused() {
        let mut raw = Vec::new();
        put_var_uint(&mut raw, 1 << 53);
        let cases: [(&[u8], DecodeError); 4] = [
            (&raw, DecodeError::NumberTooLarge),
            (&[0x80; 9], DecodeError::NumberTooLarge),
            (&[0x80], DecodeError::Truncated),
            (&[], DecodeError::Truncated),
        ];
        for (raw, error) in cases {
            assert_eq!(Input::new(&Bytes::copy_from_slice(raw)).var_uint(), Err(error), "{raw:x?}");
        }
    }

    #[test]
    fn a_buffer_that_claims_more_than_there_is_is_refused() {
        let raw = Bytes::from_static(&[3, 1, 2]);
        assert_eq!(Input::new(&raw).buf(), Err(DecodeError::Truncated));
        let raw = Bytes::from_static(&[2, 1, 2]);
        assert_eq!(Input::new(&raw).buf(), Ok(Bytes::from_static(&[1, 2])));
    }
}
