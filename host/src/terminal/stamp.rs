//! When something was said, in local time.

use std::cell::Cell;
use std::fmt;
use time::{Date, OffsetDateTime, UtcOffset};

/// Clocks are put forward and back only at multiples of so many seconds of UTC.
const OFFSET_SECONDS: i64 = 15 * 60;

/// Tells when the day changes between two messages.
#[derive(Debug, Default)]
pub(crate) struct DateLine {
    /// The local date of the message that was shown last, or of the present before the first.
    shown: Option<Date>,
}

impl DateLine {
    /// The line to show before a message, if it was said on another day than the one before. A message of the day on which the client
    /// was started needs none, and neither does one whose time is not known.
    pub(crate) fn changed(&mut self, sent_ms: Option<i64>) -> Option<String> {
        let date = local(sent_ms?)?.date();
        let before = self.shown.replace(date).unwrap_or_else(|| local_now().date());
        (date != before).then(|| date_line(date))
    }
}

/// A date as a line of its own.
fn date_line(date: Date) -> String {
    format!("-- {}, {} {} {:04} --", date.weekday(), date.day(), date.month(), date.year())
}

/// The time that stands before a message: `[HH:MM:SS]`, with the date if that is not today's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The local time; `None` if it lies outside the years that have a date.
    said_at: Option<OffsetDateTime>,
    /// The local date.
    today: Date,
}

impl Stamp {
    /// The stamp of what was said so many milliseconds after 1970-01-01 00:00 UTC.
    pub(crate) fn new(unix_ms: i64) -> Self {
        Self { said_at: local(unix_ms), today: local_now().date() }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(said_at) = self.said_at else { return f.write_str("[--:--:--]") };
        let (hour, minute, second) = said_at.to_hms();
        if said_at.date() != self.today {
            let (year, month, day) = said_at.to_calendar_date();
            return write!(f, "[{year:04}-{:02}-{day:02} {hour:02}:{minute:02}:{second:02}]", u8::from(month));
        }
        write!(f, "[{hour:02}:{minute:02}:{second:02}]")
    }
}

/// A moment in local time.
fn local(unix_ms: i64) -> Option<OffsetDateTime> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok()?;
    moment.checked_to_offset(offset_at(moment))
}

/// This moment in local time.
fn local_now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.checked_to_offset(offset_at(now)).unwrap_or(now)
}

/// How far local time is from UTC at a moment; a system that does not know has UTC.
fn offset_at(moment: OffsetDateTime) -> UtcOffset {
    thread_local! {
        /// The answer to the last question, which is expensive, and to which span it belongs.
        static LAST: Cell<(i64, UtcOffset)> = const { Cell::new((i64::MIN, UtcOffset::UTC)) };
    }
    let span = moment.unix_timestamp().div_euclid(OFFSET_SECONDS);
    let (last, offset) = LAST.get();
    if span == last {
        return offset;
    }
    let offset = UtcOffset::local_offset_at(moment).unwrap_or(UtcOffset::UTC);
    LAST.set((span, offset));
    offset
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::{Duration, Month};

    #[test]
    fn offset_is_that_of_the_moment_whichever_was_asked_before() {
        let begin = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        for hours in 0..366 * 24 {
            let moment = begin + Duration::hours(hours);
            let offsets = [moment, moment + Duration::seconds(1), begin].map(offset_at);
            assert_eq!(
                offsets,
                [moment, moment + Duration::seconds(1), begin]
                    .map(|it| UtcOffset::local_offset_at(it).unwrap_or(UtcOffset::UTC))
            );
        }
    }

    /// A stamp in UTC, on this day.
    fn stamp(unix_ms: i64, today: Date) -> String {
        let said_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok();
        Stamp { said_at, today }.to_string()
    }

    #[test]
    fn time_alone_is_shown_on_the_same_day_and_the_date_on_any_other() {
        let today = Date::from_calendar_date(2025, Month::June, 15).unwrap();
        assert_eq!(stamp(1_750_000_006_250, today), "[15:06:46]");
        assert_eq!(stamp(1_750_000_006_250, today.next_day().unwrap()), "[2025-06-15 15:06:46]");
        assert_eq!(stamp(0, today), "[1970-01-01 00:00:00]");
        assert_eq!(stamp(-1, today), "[1969-12-31 23:59:59]");
    }

    #[test]
    fn date_is_told_when_it_changes_and_not_for_today() {
        let now_ms = i64::try_from(local_now().unix_timestamp_nanos() / 1_000_000).unwrap();
        let week_ms = 7 * 86_400_000;
        let mut line = DateLine::default();
        assert_eq!(line.changed(None), None);
        assert_eq!(line.changed(Some(now_ms)), None);
        assert!(line.changed(Some(now_ms - week_ms)).is_some());
        assert_eq!(line.changed(Some(now_ms - week_ms)), None);
        assert!(line.changed(Some(now_ms)).is_some());
        assert_eq!(line.changed(Some(i64::MAX)), None);
        let date = Date::from_calendar_date(2026, Month::November, 5).unwrap();
        assert_eq!(date_line(date), "-- Thursday, 5 November 2026 --");
    }

    #[test]
    fn time_outside_the_calendar_is_no_failure() {
        for unix_ms in [i64::MIN, i64::MAX] {
            assert_eq!(Stamp::new(unix_ms).to_string(), "[--:--:--]");
        }
    }

    #[test]
    fn local_time_is_known_while_other_threads_run() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || receiver.recv());
        assert!(UtcOffset::local_offset_at(OffsetDateTime::now_utc()).is_ok());
        drop(sender);
        assert!(other.join().unwrap().is_err());
    }
}
