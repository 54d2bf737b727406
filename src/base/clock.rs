//! The kernel's clocks, and from there to the time in an event.

const SECOND: u64 = 1_000_000_000;

/// Length of a time in an event: `2023-07-04T16:42:20.540Z`.
pub const TIME_LENGTH: usize = 24;

/// Nanoseconds since boot, suspend included: the clock of every record.
pub fn boot_time() -> u64 {
    nanoseconds(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds since 1970-01-01 UTC, as the host's clock has them.
pub fn real_time() -> u64 {
    nanoseconds(libc::CLOCK_REALTIME)
}

/// Nanoseconds since boot, without those of suspend.
pub fn monotonic_time() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds for which this thread had a processor.
pub fn processor_time() -> u64 {
    nanoseconds(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn nanoseconds(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel fills the structure.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since boot: never set.
    pub boot: u64,
    /// Nanoseconds since 1970-01-01 UTC: can be set at any time.
    pub real: u64,
}

/// Turns nanoseconds since boot into the time of day.
pub struct Clock {
    offset: u64,
    second: u64,
    text: [u8; TIME_LENGTH],
}

impl Clock {
    /// A clock that is right now.
    pub fn new() -> Self {
        let mut clock = Self::fixed(0);
        clock.adjust();
        clock
    }

    /// A clock for which the host was booted `offset` nanoseconds after 1970-01-01.
    pub fn fixed(offset: u64) -> Self {
        Self {
            offset,
            second: u64::MAX,
            text: *b"0000-00-00T00:00:00.000Z",
        }
    }

    /// Follows the host's clock, which can be set at any time.
    pub fn adjust(&mut self) {
        self.offset = real_time().saturating_sub(boot_time());
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub fn real(&self, boot: u64) -> u64 {
        boot.saturating_add(self.offset)
    }

    /// This moment.
    pub fn now(&self) -> Moment {
        let boot = boot_time();
        Moment {
            boot,
            real: self.real(boot),
        }
    }

    /// RFC 3339, UTC, milliseconds, of nanoseconds since boot.
    pub fn text(&mut self, boot: u64) -> [u8; TIME_LENGTH] {
        self.text_of(self.real(boot))
    }

    /// RFC 3339, UTC, milliseconds, of nanoseconds since 1970-01-01 UTC.
    pub fn text_of(&mut self, real: u64) -> [u8; TIME_LENGTH] {
        let second = real / SECOND;
        if second != self.second {
            self.second = second;
            self.text = format(second);
        }
        digits(&mut self.text[20..23], real % SECOND / 1_000_000);
        self.text
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn format(second: u64) -> [u8; TIME_LENGTH] {
    let (year, month, day) = date(second / 86_400);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], second / 3600 % 24);
    digits(&mut text[14..16], second / 60 % 60);
    digits(&mut text[17..19], second % 60);
    text
}

fn digits(into: &mut [u8], mut value: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of a count of days since 1970-01-01. It counts from March on, so that the
/// leap day is the last of its year.
pub fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468;
    let era = days / ERA;
    let day_of_era = days % ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let mut clock = Clock::fixed(1_000_000_000 * SECOND);
        assert_eq!(&clock.text(0), b"2001-09-09T01:46:40.000Z");
        assert_eq!(&clock.text(999_999_999), b"2001-09-09T01:46:40.999Z");
        assert_eq!(&clock.text(SECOND + 7_000_000), b"2001-09-09T01:46:41.007Z");
    }

    #[test]
    fn a_clock_is_that_of_the_host() {
        for make in [Clock::new, Clock::default] {
            let (boot, real) = (boot_time(), real_time());
            let now = make().now();
            assert!((boot..=boot_time()).contains(&now.boot), "{now:?}");
            assert!((real..=real_time()).contains(&now.real), "{now:?}");
        }
    }

    #[test]
    fn dates_agree_with_the_c_library() {
        for days in (0..60_000).step_by(13).chain([59, 60, 11_016, 11_017]) {
            let seconds = (days * 86_400) as libc::time_t;
            // SAFETY: the structure is plain numbers and a pointer, and is filled by the call.
            let broken_down = unsafe {
                let mut out = std::mem::zeroed();
                libc::gmtime_r(&seconds, &mut out);
                out
            };
            let (year, month, day) = date(days);
            assert_eq!(
                (year as i32 - 1900, month as i32 - 1, day as i32),
                (broken_down.tm_year, broken_down.tm_mon, broken_down.tm_mday)
            );
        }
    }
}
