//! The order of frames by their names, and what in the names leaves it open.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::remarks::{Remark, Remarks};

/// Natural order: every run of digits counts as one number of any length, wherever it stands; other characters count
/// one by one without regard to case. Names that are equal so far are in the order of their bytes.
pub(super) fn natural(a: &OsStr, b: &OsStr) -> Ordering {
    left_first(stem(a), stem(b)).then_with(|| a.as_encoded_bytes().cmp(b.as_encoded_bytes()))
}

/// A name without its extension.
fn stem(name: &OsStr) -> &[u8] {
    let bytes = name.as_encoded_bytes();
    bytes.iter().rposition(|&byte| byte == b'.').map_or(bytes, |dot| &bytes[..dot])
}

/// The digits that a text starts with, without leading zeros, and the text after them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    (&digits[digits.iter().take_while(|&&byte| byte == b'0').count()..], rest)
}

/// Digits without leading zeros by the number that they are, which may be larger than any integer type holds.
fn by_value(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn left_first(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while let (Some(one), Some(other)) = (a.first(), b.first()) {
        let order = if one.is_ascii_digit() && other.is_ascii_digit() {
            let (left, right) = (number(a), number(b));
            (a, b) = (left.1, right.1);
            by_value(left.0, right.0)
        } else {
            let order = one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase());
            (a, b) = (&a[1..], &b[1..]);
            order
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// A name in its parts: what stands between the numbers, and the numbers.
struct Parts<'a> {
    form: Vec<u8>,
    numbers: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn of(name: &'a OsStr) -> Self {
        let (mut form, mut numbers, mut rest) = (Vec::new(), Vec::new(), stem(name));
        while let Some(byte) = rest.first() {
            if byte.is_ascii_digit() {
                let (value, after) = number(rest);
                form.push(b'#');
                numbers.push(value);
                rest = after;
            } else {
                form.push(byte.to_ascii_lowercase());
                rest = &rest[1..];
            }
        }
        Self { form, numbers }
    }

    /// The other order that may be meant: the last number decides, then the one before it.
    fn right_first(&self, other: &Self) -> Ordering {
        let pairs = self.numbers.iter().rev().zip(other.numbers.iter().rev());
        pairs.map(|(a, b)| by_value(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// How far the one number that differs goes on in `next`; `None` where nothing, or more, differs.
    fn step(&self, next: &Self) -> Option<u64> {
        if self.form != next.form || self.numbers.len() != next.numbers.len() {
            return None;
        }
        let mut differing = self.numbers.iter().zip(&next.numbers).filter(|(a, b)| a != b);
        let ((a, b), None) = (differing.next()?, differing.next()) else { return None };
        integer(b)?.checked_sub(integer(a)?)
    }
}

fn integer(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// Where the numbers of a sequence's frames leave some out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// How many numbers are left out in all places.
    pub missing: u64,
    /// The frames around the first place.
    pub around: (String, String),
}

/// What the names of `folder`'s frames, in natural order, leave open goes to `remarks`; the first gap in their numbers.
pub(super) fn look(folder: &Path, names: &[OsString], remarks: &mut Remarks) -> Option<Gap> {
    let display = |name: &OsString| name.to_string_lossy().into_owned();
    let pair = |at: usize| format!("{}: `{}`, `{}`", folder.display(), display(&names[at]), display(&names[at + 1]));
    let parts: Vec<Parts<'_>> = names.iter().map(|name| Parts::of(name)).collect();
    let steps = || (0..names.len().saturating_sub(1)).map(|at| (at, &parts[at], &parts[at + 1]));

    if let Some((at, ..)) = steps().find(|(_, a, b)| a.right_first(b).is_gt()) {
        remarks.add(Remark::SeveralNumbers, pair(at));
    }
    let mut forms: HashMap<&[u8], (usize, usize)> = HashMap::new();
    for (at, parts) in parts.iter().enumerate() {
        forms.entry(&parts.form).or_insert((0, at)).0 += 1;
    }
    // The form that is the rarest, and of those the one that comes first.
    if forms.len() > 1
        && let Some((_, at)) = forms.values().min()
    {
        remarks.add(Remark::OtherForm, format!("{}: `{}`", folder.display(), display(&names[*at])));
    }
    let equal = |(_, a, b): &(usize, &Parts<'_>, &Parts<'_>)| a.form == b.form && a.numbers == b.numbers;
    for (at, ..) in steps().filter(equal) {
        let twice = stem(&names[at]) == stem(&names[at + 1]);
        remarks.add(if twice { Remark::TwoExtensions } else { Remark::EqualNumbers }, pair(at));
    }
    let gap = gap(names, &steps().map(|(_, a, b)| a.step(b)).collect::<Vec<_>>());
    if let Some(Gap { missing, around }) = &gap {
        let (before, after) = around;
        let what = format!("{}: {missing} missing, the first after `{before}`: `{after}` is next", folder.display());
        remarks.add(Remark::Gap, what);
    }
    gap
}

/// The gap in names whose numbers go on by `steps`. Where they usually go on by more than one, as in every fifth frame
/// of a video, that is no gap; where they go on irregularly, as times do, nothing can be said.
fn gap(names: &[OsString], steps: &[Option<u64>]) -> Option<Gap> {
    let usual = steps.iter().flatten().copied().filter(|&step| step > 0).min()?;
    let regular = steps.iter().filter(|step| **step == Some(usual)).count();
    if regular * 2 < steps.len() {
        return None;
    }
    let skipped =
        |step: &Option<u64>| step.filter(|step| step % usual == 0).map_or(0, |step| (step / usual).max(1) - 1);
    let at = steps.iter().position(|step| skipped(step) > 0)?;
    let display = |at: usize| names[at].to_string_lossy().into_owned();
    let missing = steps.iter().map(skipped).fold(0, u64::saturating_add);
    Some(Gap { missing, around: (display(at), display(at + 1)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[&str]) -> (Vec<OsString>, Vec<String>) {
        let mut names: Vec<OsString> = names.iter().map(OsString::from).collect();
        names.reverse();
        names.sort_by(|a, b| natural(a, b));
        let mut remarks = Remarks::default();
        look(Path::new("d"), &names, &mut remarks);
        (names, remarks.notes())
    }

    /// The names are in natural order, and nothing is open.
    fn plain(names: &[&str]) {
        let (found, notes) = sorted(names);
        assert_eq!((found, notes), (names.iter().map(OsString::from).collect(), Vec::new()));
    }

    /// The names are in natural order, and this is to be said of it.
    fn open(names: &[&str], said: &[&str]) {
        let (found, notes) = sorted(names);
        assert_eq!(found, names.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(notes.len(), said.len(), "{notes:?}");
        assert!(notes.iter().zip(said).all(|(note, part)| note.contains(part)), "{notes:?}");
    }

    #[test]
    fn numbers_order_frames_wherever_they_stand_and_however_long_they_are() {
        plain(&["frame_8_rgb.jpg", "frame_9_rgb.jpg", "frame_10_rgb.jpg"]);
        plain(&["a-8-left.png", "a-9-left.png", "a-10-left.png"]);
        plain(&["frame (1).jpg", "frame (2).jpg", "frame (3).jpg"]);
        plain(&["IMG_9.JPG", "img_10.jpg", "IMG_11.jpg"]);
        plain(&["99999999999999999998.jpg", "99999999999999999999.jpg", "100000000000000000000.jpg"]);
        plain(&["08.jpg", "9.jpg", "010.jpg"]);
        // Every fifth frame, and times in nanoseconds.
        plain(&["000.png", "005.png", "010.png", "015.png"]);
        plain(&["1403636579763555584.png", "1403636579813555456.png", "1403636579863555584.png"]);
    }

    #[test]
    fn what_names_leave_open_is_said() {
        let several = ["cam1_frame9.jpg", "cam1_frame10.jpg", "cam2_frame1.jpg"];
        open(&several, &["the leftmost number that differs decides (d: `cam1_frame10.jpg`, `cam2_frame1.jpg`)"]);
        open(&["01.jpg", "1.jpg", "2.jpg"], &["decides among frames of the same number (d: `01.jpg`, `1.jpg`)"]);
        open(&["1.jpg", "1.png", "2.jpg"], &["under two extensions: both are frames (d: `1.jpg`, `1.png`)"]);
        open(&["1.jpg", "2.jpg", "3.jpg", "cover.jpg"], &["another form than the others (d: `cover.jpg`)"]);
        open(&["1.jpg", "2.jpg", "5.jpg"], &["leave some out (d: 2 missing, the first after `2.jpg`: `5.jpg`"]);
    }
}
