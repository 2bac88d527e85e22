//! Two states at once: in which something is, and the formats of a text in both while it is read from the front.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::Stamp;
use super::difference::{Attributes, Reformat};
use super::error::HistoryError;
use super::stamps::Stamps;
use super::units::range_of;
use crate::document::{IdRange, Meter, TooCostly, ViewItem};

/// In which of both states something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Both,
    Earlier,
    Later,
}

impl Side {
    pub fn of(is_in_earlier: bool, is_in_later: bool) -> Option<Self> {
        match (is_in_earlier, is_in_later) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Earlier),
            (false, true) => Some(Self::Later),
            (false, false) => None,
        }
    }

    pub fn is_in_earlier(self) -> bool {
        self != Self::Later
    }

    pub fn is_in_later(self) -> bool {
        self != Self::Earlier
    }
}

/// No format.
const NULL: &str = "null";

/// The last mark of a format.
#[derive(Debug, Clone)]
struct Mark {
    value: Arc<str>,
    range: IdRange,
}

/// The formats that hold here.
#[derive(Debug, Default)]
pub(super) struct Marks<'v> {
    /// By key, what the earlier and the later state have.
    all: BTreeMap<&'v str, [Option<Mark>; 2]>,
    /// Keys of which both have different values.
    apart: BTreeSet<&'v str>,
    /// What was told last, until another mark comes: where nothing differs it is empty.
    told: Option<Option<Reformat>>,
    told_of: [Option<Attributes>; 2],
}

impl<'v> Marks<'v> {
    /// Takes a mark that is on a side.
    pub fn take(&mut self, item: &ViewItem<'v>, side: Side, meter: &mut Meter) -> Result<(), TooCostly> {
        let Some((key, value)) = item.format(meter)? else { return Ok(()) };
        meter.hold::<(&str, [Option<Mark>; 2])>(2)?;
        let mark = Mark { value: value.into(), range: range_of(item) };
        let both = self.all.entry(key).or_default();
        for (is_in, own) in [side.is_in_earlier(), side.is_in_later()].into_iter().zip(both.iter_mut()) {
            if is_in {
                *own = Some(mark.clone());
            }
        }
        let [earlier, later] = both.each_ref().map(|mark| mark.as_ref().map_or(NULL, |mark| &mark.value));
        match earlier == later {
            true => self.apart.remove(key),
            false => self.apart.insert(key),
        };
        (self.told, self.told_of) = (None, [None, None]);
        Ok(())
    }

    /// The formats of what is in one state only.
    pub fn of(&mut self, side: Side, meter: &mut Meter) -> Result<Attributes, TooCostly> {
        let at = usize::from(side == Side::Later);
        if let Some(told) = &self.told_of[at] {
            return Ok(told.clone());
        }
        let values = self.all.iter().filter_map(|(key, both)| Some((*key, &*both[at].as_ref()?.value)));
        let told = attributes(values.filter(|(_, value)| *value != NULL), meter)?;
        self.told_of[at] = Some(told.clone());
        Ok(told)
    }

    /// What is different for something that is in both states, and who did that.
    pub fn reformat(
        &mut self,
        stamps: &Stamps,
        is_forwards: bool,
        other: Stamp,
        meter: &mut Meter,
    ) -> Result<Option<Reformat>, HistoryError> {
        if self.apart.is_empty() {
            return Ok(None);
        }
        if let Some(told) = &self.told {
            return Ok(told.clone());
        }
        let apart = || self.apart.iter().filter_map(|key| Some((*key, self.all.get(key)?)));
        let value = |(key, both): (&'v str, &'_ [Option<Mark>; 2])| {
            (key, both[usize::from(is_forwards)].as_ref().map_or(NULL.into(), |mark| mark.value.clone()))
        };
        let values: Vec<(&str, Arc<str>)> = apart().map(value).collect();
        let attributes = attributes(values.iter().map(|(key, value)| (*key, &**value)), meter)?;
        // A mark that came, or one that went and left the one before it.
        let stamp = |[earlier, later]: &[Option<Mark>; 2]| {
            let came = later.as_ref().and_then(|mark| stamps.inserted.of_last(mark.range));
            came.or_else(|| stamps.deleted.of_last(earlier.as_ref()?.range))
        };
        let newest = apart().filter_map(|(_, both)| stamp(both)).max().unwrap_or(other);
        let told = Some(Reformat { attributes, change: stamps.change(newest)? });
        self.told = Some(told.clone());
        Ok(told)
    }
}

fn attributes<'m>(
    values: impl Iterator<Item = (&'m str, &'m str)>,
    meter: &mut Meter,
) -> Result<Attributes, TooCostly> {
    let mut told = Vec::new();
    for (key, value) in values {
        meter.steps(1 + key.len() + value.len())?;
        meter.hold::<(String, String)>(1)?;
        meter.hold::<u8>(key.len() + value.len())?;
        told.push((key.to_owned(), value.to_owned()));
    }
    Ok(Arc::new(told))
}
