//! The lib0 encoding (PROTOCOL.md, "Encoding") over shared bytes: reading hands out slices of the frame, it copies nothing.

use bytes::Bytes;

use super::DecodeError;

/// The empty document's update, v1: no blocks, no deletions.
pub const EMPTY_UPDATE: &[u8] = &[0, 0];

/// Reads values from the front of a frame.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What the bytes belong to, so that parts of it can be shared.
    frame: Option<&'a Bytes>,
}

impl<'a> Input<'a> {
    /// Starts at the front of `frame`.
    pub fn new(frame: &'a Bytes) -> Self {
        Self::at(frame, 0)
    }

    /// Starts within `frame`.
    pub fn at(frame: &'a Bytes, at: usize) -> Self {
        Self { bytes: frame, at, frame: Some(frame) }
    }

    /// Reads bytes that nobody shares: parts of them are copied.
    pub fn raw(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, frame: None }
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(DecodeError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// A variable-length number of at most 53 bits, as JavaScript has them.
    #[inline]
    pub fn var_uint(&mut self) -> Result<u64, DecodeError> {
        let byte = self.u8()?;
        if byte < 0x80 { Ok(byte.into()) } else { self.longer_var_uint(byte) }
    }

    /// The rest of a number that takes more than one byte.
    fn longer_var_uint(&mut self, first: u8) -> Result<u64, DecodeError> {
        let mut byte = first;
        let mut value = u64::from(byte & 0x7f);
        let mut shift = 7;
        while byte & 0x80 != 0 {
            byte = self.u8()?;
            if shift > 49 {
                return Err(DecodeError::NumberTooLarge);
            }
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
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

    /// A variable-length number with a sign, of at most 53 bits: the first byte has the sign and 6 of them.
    pub fn var_int(&mut self) -> Result<i64, DecodeError> {
        let first = self.u8()?;
        let mut value = i64::from(first & 0x3f);
        let mut goes_on = first & 0x80 != 0;
        for shift in (6..).step_by(7) {
            if !goes_on {
                break;
            }
            if shift > 48 {
                return Err(DecodeError::NumberTooLarge);
            }
            let byte = self.u8()?;
            value |= i64::from(byte & 0x7f) << shift;
            goes_on = byte & 0x80 != 0;
        }
        if value >> 53 != 0 {
            return Err(DecodeError::NumberTooLarge);
        }
        Ok(if first & 0x40 != 0 { -value } else { value })
    }

    /// `len` bytes, checked against what is there.
    pub fn take(&mut self, len: u64) -> Result<&'a [u8], DecodeError> {
        if len > self.remaining() as u64 {
            return Err(DecodeError::Truncated);
        }
        let start = self.at;
        self.at += len as usize;
        Ok(&self.bytes[start..self.at])
    }

    /// Bytes after their length.
    pub fn raw_buf(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.var_uint()?;
        self.take(len)
    }

    /// Bytes after their length, sharing the frame.
    pub fn buf(&mut self) -> Result<Bytes, DecodeError> {
        self.raw_buf().map(|raw| self.share(raw))
    }

    /// Text after its length, sharing the frame.
    pub fn text_bytes(&mut self) -> Result<Bytes, DecodeError> {
        self.text().map(|text| self.share(text.as_bytes()))
    }

    fn share(&self, part: &[u8]) -> Bytes {
        self.frame.map_or_else(|| Bytes::copy_from_slice(part), |frame| frame.slice_ref(part))
    }

    /// A count of things that take at least `bytes_each`, checked against what is there.
    pub fn count(&mut self, bytes_each: usize) -> Result<usize, DecodeError> {
        let count = self.var_uint()?;
        if count > (self.remaining() / bytes_each) as u64 {
            return Err(DecodeError::Truncated);
        }
        Ok(count as usize)
    }

    /// What was read since the position `begin`.
    pub fn since(&self, begin: usize) -> &'a [u8] {
        &self.bytes[begin..self.at]
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
