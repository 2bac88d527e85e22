//! What is to be erased of a room, as it is kept until that is done, and what is made by it of what is stored.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::base::Base;
use super::index::Index;
use super::moments::{Moments, Moved};
use super::quotes::CutQuote;
use crate::document::ErasedUnits;
use crate::ids::{Seq, UserId};
use crate::layout::{Stored, Unreadable};
use crate::protocol::DecodeError;
use crate::protocol::json::entry;
use crate::protocol::lib0::{EMPTY_UPDATE, Input, put_buf, put_var_uint};
use crate::store::{Entry, EntryKind, Rewrite, Rewritten};

/// Without quotes, and nothing is told, of a server that knew of neither.
const LAYOUT_1: u8 = 1;

/// What is to be erased of a room: which units, whose messages, which name. Nothing of what they say.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Units whose content goes.
    pub units: ErasedUnits,
    /// Whose messages and events lose what they say, and up to which seq: what is said meanwhile stays.
    pub said_by: Option<(UserId, Seq)>,
    /// Whose is what stands for text that goes, as a base has it; empty if there is nothing such.
    pub kept: Bytes,
    /// Quotes that go from comments; ascending.
    pub quotes: Vec<CutQuote>,
    /// A user, and the name that stands for that user from then on.
    pub renamed: Option<(UserId, UserId)>,
    /// Who has it erased, with the name shown, to be told once it is.
    pub by: Option<(UserId, String)>,
}

/// What is told of an erasure once all is rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Who has had it erased.
    pub user: UserId,
    /// The name shown.
    pub name: String,
    /// Whether messages and events say something else than before.
    pub said: bool,
}

impl Erasure {
    /// As it is stored.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![Stored::Erasure.newest()];
        self.units.encode(&mut out);
        let said_by: Vec<&UserId> = self.said_by.iter().map(|(user, _)| user).collect();
        put_users(&mut out, &said_by);
        put_var_uint(&mut out, self.said_by.as_ref().map_or(0, |(_, upto)| upto.0));
        let renamed = self.renamed.as_ref().map_or_else(Vec::new, |(from, to)| vec![from, to]);
        put_users(&mut out, &renamed);
        put_buf(&mut out, &self.kept);
        put_var_uint(&mut out, self.quotes.len() as u64);
        for CutQuote { seq, with_anchor } in &self.quotes {
            put_var_uint(&mut out, seq.0);
            put_var_uint(&mut out, (*with_anchor).into());
        }
        put_users(&mut out, &self.by.iter().map(|(user, _)| user).collect::<Vec<_>>());
        put_buf(&mut out, self.by.as_ref().map_or("", |(_, name)| name).as_bytes());
        out.into()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// It is damaged, or a newer release has begun it.
    pub fn decode(stored: &Bytes) -> Result<Self, Unreadable<DecodeError>> {
        let mut input = Input::new(stored);
        let layout = input.u8()?;
        if ![LAYOUT_1, Stored::Erasure.newest()].contains(&layout) {
            return Err(Stored::Erasure.unreadable(stored, DecodeError::UnknownType));
        }
        let units = ErasedUnits::decode(&mut input)?;
        let said_by = users(&mut input)?.into_iter().next();
        let upto = Seq(input.var_uint()?);
        let said_by = said_by.map(|user| (user, upto));
        let mut renamed = users(&mut input)?.into_iter();
        let renamed = renamed.next().zip(renamed.next());
        let kept = input.buf()?;
        let (mut quotes, mut by) = (Vec::new(), None);
        if layout != LAYOUT_1 {
            for _ in 0..input.count(2)? {
                quotes.push(CutQuote { seq: Seq(input.var_uint()?), with_anchor: input.var_uint()? != 0 });
            }
            by = users(&mut input)?.into_iter().next().zip(Some(input.text()?.to_owned()));
        }
        if input.is_empty() {
            Ok(Self { units, said_by, kept, quotes, renamed, by })
        } else {
            Err(DecodeError::TooMany.into())
        }
    }

    /// What a user is called from then on.
    pub(super) fn name_of(&self, user: &UserId) -> Option<&UserId> {
        self.renamed.as_ref().filter(|(from, _)| from == user).map(|(_, to)| to)
    }

    fn kept(&self) -> Result<Vec<Moved>, DecodeError> {
        if self.kept.is_empty() { Ok(Vec::new()) } else { Moved::read_all(&mut Input::new(&self.kept)) }
    }

    fn has_said(&self, entry: &Entry) -> bool {
        self.said_by.as_ref().is_some_and(|(user, upto)| *user == entry.author && entry.seq <= *upto)
    }

    fn quote(&self, seq: Seq) -> Option<&CutQuote> {
        let at = self.quotes.binary_search_by_key(&seq, |quote| quote.seq).ok()?;
        self.quotes.get(at)
    }

    fn redacted(&self, update: &Bytes) -> Result<Option<Bytes>, String> {
        if self.units.is_empty() {
            return Ok(None);
        }
        self.units.redact(update).map_err(|refusal| refusal.to_string())
    }

    /// What becomes of an edit that is no update, which is in no document: nothing is left of one that may have the words of the user
    /// whose words go.
    fn of_unreadable(&self, entry: &Entry, reason: &str) -> Option<Bytes> {
        let is_theirs = self
            .said_by
            .as_ref()
            .is_some_and(|(user, _)| [Some(&entry.author), entry.via.as_ref()].contains(&Some(user)));
        if !is_theirs {
            tracing::warn!(seq = %entry.seq, reason, "an edit that cannot be read is not erased from");
        }
        is_theirs.then_some(Bytes::from_static(EMPTY_UPDATE))
    }

    fn body(&self, entry: &Entry) -> Result<Option<Bytes>, String> {
        let Some(body) = &entry.body else { return Ok(None) };
        let is_renamed = self.name_of(&entry.author);
        match entry.kind {
            EntryKind::Edit => self.redacted(body).or_else(|reason| Ok(self.of_unreadable(entry, &reason))),
            EntryKind::Message | EntryKind::Event if self.has_said(entry) => Ok(entry::erased(body)),
            EntryKind::Event if let Some(quote) = self.quote(entry.seq) => Ok(entry::unquoted(body, quote.with_anchor)),
            EntryKind::Message | EntryKind::Event | EntryKind::Step => {
                Ok(is_renamed.and_then(|to| entry::renamed(body, to.as_str())))
            }
        }
    }
}

impl Rewrite for Erasure {
    fn entry(&self, entry: &Entry) -> Result<Option<Rewritten>, String> {
        let body = self.body(entry)?;
        let author = self.name_of(&entry.author);
        let via = entry.via.as_ref().and_then(|via| self.name_of(via));
        if body.is_none() && author.is_none() && via.is_none() {
            return Ok(None);
        }
        Ok(Some(Rewritten {
            body: body.or_else(|| entry.body.clone()).unwrap_or_default(),
            author: author.unwrap_or(&entry.author).clone(),
            via: via.cloned().or_else(|| entry.via.clone()),
        }))
    }

    fn state(&self, state: &[u8]) -> Result<Option<Bytes>, String> {
        self.redacted(&Bytes::copy_from_slice(state))
    }

    fn base(&self, body: &[u8]) -> Result<Option<Bytes>, Unreadable<String>> {
        let mut base = match body {
            [] if self.kept.is_empty() => return Ok(None),
            [] => Base::of_credits(Vec::new()),
            _ => Base::decode(&Bytes::copy_from_slice(body)).map_err(|error| error.map(|damage| damage.to_string()))?,
        };
        let mut is_changed = base.keep(self.kept().map_err(|error| error.to_string())?);
        is_changed |= base.rename(|user| self.name_of(user).cloned());
        for update in base.updates() {
            if let Some(redacted) = self.redacted(update)? {
                (*update, is_changed) = (redacted, true);
            }
        }
        Ok(is_changed.then(|| base.encode()))
    }

    fn rename(&self) -> Option<(&UserId, &UserId)> {
        self.renamed.as_ref().map(|(from, to)| (from, to))
    }

    fn notice(&self) -> Bytes {
        let Some((user, name)) = self.by.clone() else { return Bytes::new() };
        let said = self.said_by.is_some() || !self.quotes.is_empty() || self.renamed.is_some();
        // Who renames themselves is told by the new name.
        let renamed = self.name_of(&user).cloned();
        let name = renamed.as_ref().map_or(name, ToString::to_string);
        serde_json::to_vec(&Notice { user: renamed.unwrap_or(user), name, said }).unwrap_or_default().into()
    }
}

impl Base {
    /// Nothing was dropped, and it is known whose some units are, by client and clock.
    pub(super) fn of_credits(moved: Vec<Moved>) -> Self {
        let (moments, blocks) = (Moments { moved, ..Moments::default() }, Bytes::from_static(EMPTY_UPDATE));
        Self { moments, index: Index::after(Seq::ZERO), blocks, pending: Vec::new() }
    }

    /// Adds whose something is; whether that was not known.
    fn keep(&mut self, kept: Vec<Moved>) -> bool {
        let moved = &mut self.moments.moved;
        let news = kept.into_iter().filter(|kept| !moved.contains(kept)).collect::<Vec<_>>();
        let is_changed = !news.is_empty();
        moved.extend(news);
        moved.sort_unstable_by_key(|moved| moved.to);
        is_changed
    }

    /// All updates in it.
    fn updates(&mut self) -> impl Iterator<Item = &mut Bytes> {
        std::iter::once(&mut self.blocks).chain(&mut self.pending)
    }

    /// Gives users other names; whether any has one.
    fn rename(&mut self, name: impl Fn(&UserId) -> Option<UserId>) -> bool {
        let mut is_changed = self.index.rename(&name);
        let credits = self.moments.moved.iter_mut().map(|moved| &mut moved.credit);
        for user in credits.flat_map(|credit| std::iter::once(&mut credit.by).chain(&mut credit.via)) {
            if let Some(to) = name(user) {
                (*user, is_changed) = (to, true);
            }
        }
        is_changed
    }
}

impl Index {
    /// Gives users other names, which none of them has; whether any has one.
    fn rename(&mut self, name: impl Fn(&UserId) -> Option<UserId>) -> bool {
        let renamed: Vec<(usize, UserId)> =
            self.authors.iter().enumerate().filter_map(|(at, user)| Some((at, name(user)?))).collect();
        let is_changed = !renamed.is_empty();
        for (at, to) in renamed {
            // No two are called the same then.
            let _ = self.authors.replace_index(at, to);
        }
        is_changed
    }
}

fn put_users(out: &mut Vec<u8>, users: &[&UserId]) {
    put_var_uint(out, users.len() as u64);
    users.iter().for_each(|user| put_buf(out, user.as_str().as_bytes()));
}

fn users(input: &mut Input<'_>) -> Result<Vec<UserId>, DecodeError> {
    let count = input.count(1)?;
    (0..count).map(|_| Ok(UserId::new(input.text()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::IdRange;
    use crate::history::tests::{authors, enter, typed, whole};
    use crate::history::{BlameRun, History};

    fn said(seq: u64, author: &str, kind: EntryKind, body: &'static [u8]) -> Entry {
        let (author, body) = (UserId::new(author), Some(Bytes::from_static(body)));
        Entry { seq: Seq(seq), kind, author, via: None, at_ms: 0, key: None, body_bytes: 0, body }
    }

    fn renaming() -> Erasure {
        Erasure { renamed: Some((UserId::new("bob"), UserId::new("erased-1"))), ..Erasure::default() }
    }

    #[test]
    fn an_erasure_is_read_as_it_was_written() {
        let mut units = ErasedUnits::default();
        units.add(IdRange { client: 7, start: 3, end: 9 });
        let words = Erasure { units, said_by: Some((UserId::new("bob"), Seq(9))), ..Erasure::default() };
        let cut = |seq, with_anchor| CutQuote { seq: Seq(seq), with_anchor };
        let quotes = Erasure { quotes: vec![cut(3, false), cut(5, true)], ..words.clone() };
        let told = Erasure { by: Some((UserId::new("root"), "Root".to_owned())), ..quotes.clone() };
        for erasure in [Erasure::default(), words, renaming(), quotes, told] {
            let stored = erasure.encode();
            assert_eq!(Erasure::decode(&stored), Ok(erasure));
            assert!((0..stored.len()).all(|len| Erasure::decode(&stored.slice(..len)).is_err()));
        }
    }

    #[test]
    fn an_erasure_of_a_server_that_knew_of_no_quotes_is_read() {
        let mut stored = renaming().encode().to_vec();
        // Neither quotes nor who has it erased, each of no length.
        stored.truncate(stored.len() - 3);
        stored[0] = 1;
        assert_eq!(Erasure::decode(&stored.into()), Ok(renaming()));
    }

    #[test]
    fn what_is_told_of_it_is_who_has_had_it_erased_and_whether_anything_that_was_said_is_another() {
        let by = |erasure| Erasure { by: Some((UserId::new("bob"), "Bob".to_owned())), ..erasure };
        let told = |erasure: &Erasure| serde_json::from_slice::<Notice>(&erasure.notice()).ok();
        let notice =
            |user: &str, name: &str, said| Some(Notice { user: UserId::new(user), name: name.to_owned(), said });
        assert_eq!(told(&Erasure::default()), None);
        assert_eq!(told(&by(Erasure::default())), notice("bob", "Bob", false));
        let quotes = vec![CutQuote { seq: Seq(1), with_anchor: false }];
        assert_eq!(told(&by(Erasure { quotes, ..Erasure::default() })), notice("bob", "Bob", true));
        let said_by = Some((UserId::new("ada"), Seq(9)));
        assert_eq!(told(&by(Erasure { said_by, ..Erasure::default() })), notice("bob", "Bob", true));
        assert_eq!(told(&by(renaming())), notice("erased-1", "erased-1", true), "the old one is nowhere");
    }

    #[test]
    fn what_is_said_while_something_is_erased_stays() {
        let erasure = Erasure { said_by: Some((UserId::new("bob"), Seq(9))), ..Erasure::default() };
        let body = br#"{"type":"chat.message","name":"Bob","text":"hello"}"#;
        let rewritten = |seq, author, kind| erasure.entry(&said(seq, author, kind, body)).unwrap();
        let erased = rewritten(9, "bob", EntryKind::Message).unwrap();
        assert_eq!(erased.body, &br#"{"type":"chat.message","name":"Bob","erased":true,"text":""}"#[..]);
        assert_eq!(rewritten(10, "bob", EntryKind::Message), None);
        assert_eq!(rewritten(9, "ada", EntryKind::Message), None);
        assert_eq!(rewritten(9, "bob", EntryKind::Step), None);
    }

    #[test]
    fn another_name_stands_wherever_the_old_one_did() {
        let erasure = renaming();
        let body = br#"{"type":"chat.message","name":"Bob","text":"hello"}"#;
        let entry = Entry { via: Some(UserId::new("ada")), ..said(9, "bob", EntryKind::Message, body) };
        let Rewritten { body, author, via } = erasure.entry(&entry).unwrap().unwrap();
        assert_eq!(body, &br#"{"type":"chat.message","name":"erased-1","text":"hello"}"#[..]);
        assert_eq!((author.as_str(), via), ("erased-1", Some(UserId::new("ada"))));
        let sent = Entry { via: Some(UserId::new("bob")), ..said(9, "ada", EntryKind::Edit, &[0, 0]) };
        assert_eq!(erasure.entry(&sent).unwrap().unwrap().via, Some(UserId::new("erased-1")));

        let mut history = History::default();
        enter(&mut history, "ada", None, whole(typed(1, 0, None, "one")));
        let head = enter(&mut history, "bob", None, whole(typed(2, 0, Some((1, 2)), "two")));
        let base = history.base(head, &[], Vec::new(), &authors()).unwrap().encode();
        let renamed = erasure.base(&base).unwrap().unwrap();
        assert_eq!(erasure.base(&renamed), Ok(None), "it is so already");
        let mut anew = History::default();
        anew.take_base(Base::decode(&renamed).unwrap()).unwrap();
        anew.settle().unwrap();
        let by = |run: &BlameRun| run.credit.by.to_string();
        let runs: Vec<String> = anew.blame(None, head, &authors()).unwrap().runs.iter().map(by).collect();
        assert_eq!(runs, ["ada", "erased-1"]);
        assert!(erasure.base(b"damaged").is_err());
    }

    #[test]
    fn of_an_edit_that_cannot_be_read_nothing_is_left_if_it_may_be_the_users() {
        let mut erasure = Erasure { said_by: Some((UserId::new("bob"), Seq(9))), ..Erasure::default() };
        erasure.units.add(IdRange { client: 1, start: 0, end: 5 });
        let entry = |author: &str, via: Option<&str>| Entry {
            seq: Seq(1),
            kind: EntryKind::Edit,
            author: UserId::new(author),
            via: via.map(UserId::new),
            at_ms: 0,
            key: None,
            body_bytes: 5,
            body: Some(Bytes::from_static(b"words")),
        };
        for (author, via) in [("bob", None), ("ada", Some("bob")), ("bob", Some("ada"))] {
            let rewritten = erasure.entry(&entry(author, via)).unwrap().unwrap();
            assert_eq!((&rewritten.body[..], rewritten.author.as_str()), (EMPTY_UPDATE, author));
        }
        assert_eq!(erasure.entry(&entry("ada", Some("dora"))), Ok(None), "others' stay as they are");
        erasure.said_by = None;
        assert_eq!(erasure.entry(&entry("bob", None)), Ok(None));
    }
}
