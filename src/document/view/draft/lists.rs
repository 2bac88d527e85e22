//! Changes of a type's list.

use std::collections::VecDeque;

use super::pieces::{New, Piece, Splice, Ty, byte_at, text_of};
use super::{Draft, DraftError};
use crate::document::Kind;

impl Draft<'_> {
    /// The text of a piece; empty if it has none.
    pub(super) fn piece_text(&mut self, piece: &Piece) -> Result<String, DraftError> {
        match piece {
            Piece::New(New::Text(text)) => Ok(text.clone()),
            Piece::Old { item, from, len, is_live: true } if self.tree.item(*item).kind == Kind::Text => {
                let text = text_of(self.tree, self.tree.item(*item));
                self.meter.steps(text.len() / 16)?;
                let part = byte_at(&text, *from).zip(byte_at(&text, from + len));
                Ok(part.map_or_else(String::new, |(from, to)| text[from..to].to_owned()))
            }
            _ => Ok(String::new()),
        }
    }

    /// How many units a list has.
    pub(super) fn len(&mut self, ty: Ty) -> Result<u32, DraftError> {
        self.meter.steps(self.types[ty].list.len())?;
        Ok(self.types[ty].list.iter().map(|piece| piece.units(self.tree)).sum())
    }

    /// Makes changes, which stand in order and do not overlap. What comes in place of something stands before it, within its formats;
    /// other than that right behind what is before it.
    pub(super) fn splice(&mut self, ty: Ty, splices: Vec<Splice>) -> Result<(), DraftError> {
        if splices.is_empty() {
            return Ok(());
        }
        let mut rest: VecDeque<Piece> = std::mem::take(&mut self.types[ty].list).into();
        let mut out = Vec::with_capacity(rest.len() + 2 * splices.len());
        let mut passed = 0;
        for Splice { at, delete, insert } in splices {
            while passed < at {
                let piece = self.take(&mut rest, at - passed)?;
                passed += piece.units(self.tree);
                out.push(piece);
            }
            if delete > 0 {
                while let Some(piece) = rest.pop_front_if(|piece| piece.units(self.tree) == 0) {
                    self.meter.step()?;
                    out.push(piece);
                }
            }
            out.extend(insert.into_iter().map(Piece::New));
            let end = at + delete;
            while passed < end {
                let piece = self.take(&mut rest, end - passed)?;
                passed += piece.units(self.tree);
                match piece {
                    Piece::Old { item, from, len, .. } if piece.units(self.tree) > 0 => {
                        out.push(Piece::Old { item, from, len, is_live: false });
                    }
                    Piece::New(ref new) if new.units() > 0 => {}
                    piece => out.push(piece),
                }
            }
        }
        out.extend(rest);
        self.meter.steps(out.len())?;
        self.types[ty].list = out;
        Ok(())
    }

    /// Takes the first piece, or what of it counts at most `units`.
    pub(super) fn take(&mut self, rest: &mut VecDeque<Piece>, units: u32) -> Result<Piece, DraftError> {
        self.meter.step()?;
        let Some(piece) = rest.pop_front() else {
            return Err(DraftError::Invalid("the index lies behind the end".into()));
        };
        if piece.units(self.tree) <= units {
            return Ok(piece);
        }
        let within = || DraftError::Invalid("the index lies within a character".into());
        match piece {
            Piece::Old { item, from, len, is_live } => {
                let source = self.tree.item(item);
                if source.kind == Kind::Text {
                    let text = text_of(self.tree, source);
                    self.meter.steps(text.len() / 16)?;
                    byte_at(&text, from + units).ok_or_else(within)?;
                }
                rest.push_front(Piece::Old { item, from: from + units, len: len - units, is_live });
                Ok(Piece::Old { item, from, len: units, is_live })
            }
            Piece::New(New::Text(mut text)) => {
                let at = byte_at(&text, units).ok_or_else(within)?;
                rest.push_front(Piece::New(New::Text(text.split_off(at))));
                Ok(Piece::New(New::Text(text)))
            }
            piece => Ok(piece),
        }
    }
}
