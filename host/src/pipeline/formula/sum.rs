//! A sum that does not depend on the order of its terms.
//!
//! A block that is computed again, from a journal that was read in another order or in other portions, must come out with
//! the same bits; a plain sum of f64 does not.
//!
//! Invariant: the terms so far equal `wraps * 2^1024` plus the sum of the partials, exactly. The partials do not overlap
//! and grow in magnitude; none of them is zero.
//!
//! Source: J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates, 1997; the last
//! rounding as Python's `math.fsum` documents it.

/// Partials that are kept without a heap: terms of like magnitude need two or three.
const INLINE: usize = 8;

/// 2^1023, half of what overflows.
const HALF_OVERFLOW: f64 = 8.988_465_674_311_58e307;

/// The correctly rounded sum of all terms, in any order.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    inline: [f64; INLINE],
    spilled: Vec<f64>,
    len: usize,
    /// Multiples of 2^1024 that were taken out, so that an overflow on the way does not spoil a sum that is finite.
    wraps: i64,
    /// Sum of the terms that are not finite, when there was one.
    broken: Option<f64>,
}

impl ExactSum {
    /// Adds a term.
    pub fn add(&mut self, term: f64) {
        if !term.is_finite() {
            self.broken = Some(self.broken.unwrap_or(0.0) + term);
            return;
        }
        let mut rest = term;
        let mut kept = 0;
        for position in 0..self.len {
            let (high, low) = self.two_sum(rest, self.partial(position));
            if low != 0.0 {
                // Never beyond `position`, which was read already.
                self.set(kept, low);
                kept += 1;
            }
            rest = high;
        }
        if rest != 0.0 {
            self.set(kept, rest);
            kept += 1;
        }
        self.len = kept;
    }

    /// The sum, rounded once, half to even; 0 without terms.
    ///
    /// Not finite when the sum itself is too large for an f64, or when a term was not finite.
    pub fn value(&self) -> f64 {
        match (self.broken, self.wraps) {
            (Some(broken), _) => broken,
            (None, 0) => self.rounded(),
            (None, wraps) => self.wrapped(wraps),
        }
    }

    /// Forgets all terms, and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        self.wraps = 0;
        self.broken = None;
        self.spilled.clear();
    }

    /// `a + b` as a rounded sum and what the rounding lost.
    fn two_sum(&mut self, a: f64, b: f64) -> (f64, f64) {
        let (mut large, mut small) = if a.abs() < b.abs() { (b, a) } else { (a, b) };
        let mut high = large + small;
        if !high.is_finite() {
            // The larger one is at least 2^1023, hence both subtractions are exact.
            let half = HALF_OVERFLOW.copysign(large);
            self.wraps += if large > 0.0 { 1 } else { -1 };
            large = large - half - half;
            if large.abs() < small.abs() {
                (large, small) = (small, large);
            }
            high = large + small;
        }
        (high, small - (high - large))
    }

    /// Rounds the partials to one number.
    fn rounded(&self) -> f64 {
        let mut below = (0..self.len).rev().map(|position| self.partial(position));
        let mut high = below.next().unwrap_or(0.0);
        let mut low = 0.0;
        for partial in below.by_ref() {
            let sum = high + partial;
            low = partial - (sum - high);
            high = sum;
            if low != 0.0 {
                break;
            }
        }
        // A tie was rounded to even, although what lies further below pushes it away from there.
        if let Some(next) = below.next()
            && low * next.signum() > 0.0
        {
            let pushed = high + 2.0 * low;
            if pushed - high == 2.0 * low {
                return pushed;
            }
        }
        high
    }

    /// The sum when 2^1024 was taken out: by halves, which do not overflow.
    fn wrapped(&self, wraps: i64) -> f64 {
        let sign = if wraps > 0 { 1.0 } else { -1.0 };
        let largest = self.len.checked_sub(1).map_or(0.0, |last| self.partial(last));
        if wraps.abs() > 1 || largest * sign >= 0.0 {
            return f64::INFINITY * sign;
        }
        let mut halves = ExactSum::default();
        halves.add(HALF_OVERFLOW * sign);
        for position in 0..self.len {
            let partial = self.partial(position);
            let half = partial / 2.0;
            // The smallest subnormal has no half; here it only decides ties, and any number of its sign does that.
            halves.add(if half == 0.0 { partial } else { half });
        }
        halves.rounded() * 2.0
    }

    fn partial(&self, position: usize) -> f64 {
        let place = match position.checked_sub(INLINE) {
            None => self.inline.get(position),
            Some(beyond) => self.spilled.get(beyond),
        };
        place.copied().unwrap_or(0.0)
    }

    fn set(&mut self, position: usize, partial: f64) {
        let place = match position.checked_sub(INLINE) {
            None => self.inline.get_mut(position),
            Some(beyond) => self.spilled.get_mut(beyond),
        };
        match place {
            Some(place) => *place = partial,
            // Partials are written in order, so the place is the next one.
            None => self.spilled.push(partial),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        terms.iter().for_each(|term| sum.add(*term));
        sum.value()
    }

    #[track_caller]
    fn check(terms: &[f64], expected: f64) {
        let sum = sum(terms);
        assert_eq!(sum.to_bits(), expected.to_bits(), "{terms:?} = {sum:e}, expected {expected:e}");
    }

    /// A small generator with a seed, so that a failure can be repeated (xorshift64*).
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
        }

        /// Any finite number, of any magnitude.
        fn number(&mut self) -> f64 {
            loop {
                let number = f64::from_bits(self.next());
                if number.is_finite() {
                    return number;
                }
            }
        }

        fn shuffle(&mut self, terms: &mut [f64]) {
            for last in (1..terms.len()).rev() {
                terms.swap(last, (self.next() % (last as u64 + 1)) as usize);
            }
        }
    }

    #[test]
    fn what_cancels_leaves_what_it_hid() {
        check(&[1e16, 1.0, -1e16], 1.0);
        check(&[1e100, 1.0, -1e100, 1e-100, 1e50, -1.0, -1e50], 1e-100);
        check(&[0.1; 10], 1.0);
        check(&[1e308, -1e308, 5e-324], 5e-324);
        check(&[], 0.0);
        check(&[1.0, -1.0], 0.0);
        check(&[-0.0], 0.0);
    }

    #[test]
    fn a_tie_goes_to_even_unless_something_pushes_it() {
        let half = f64::EPSILON / 2.0;
        check(&[1.0, half], 1.0);
        check(&[1.0, half, 1e-300], 1.0 + f64::EPSILON);
        check(&[1.0, half, -1e-300], 1.0);
        check(&[1.0 + f64::EPSILON, half], 1.0 + 2.0 * f64::EPSILON);
        check(&[1.0 + f64::EPSILON, half, -1e-300], 1.0 + f64::EPSILON);
        check(&[-1.0, -half, -5e-324], -1.0 - f64::EPSILON);
    }

    #[test]
    fn only_a_sum_that_is_too_large_overflows() {
        check(&[1e308, 1e308], f64::INFINITY);
        check(&[-1e308, -1e308], f64::NEG_INFINITY);
        check(&[1e308, 1e308, -1e308], 1e308);
        check(&[1e308, 1e308, 1e308, -1e308, -1e308, -1e308, 5e-324], 5e-324);
        check(&[f64::MAX, f64::MAX, -f64::MAX, -f64::MAX, 3.0], 3.0);
        // Half a step beyond the largest number rounds up, a little less does not.
        let half_step = 2f64.powi(970);
        check(&[f64::MAX, half_step], f64::INFINITY);
        check(&[f64::MAX, half_step, -5e-324], f64::MAX);
        check(&[-f64::MAX, -half_step, 5e-324], -f64::MAX);
    }

    #[test]
    fn a_term_that_is_not_finite_stays_in_the_sum_until_it_is_cleared() {
        check(&[1.0, f64::INFINITY, -1.0], f64::INFINITY);
        assert!(sum(&[f64::INFINITY, 1.0, f64::NEG_INFINITY]).is_nan());

        let mut sum = ExactSum::default();
        sum.add(f64::NAN);
        sum.add(1.0);
        assert!(sum.value().is_nan());
        sum.clear();
        sum.add(2.0);
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn the_order_of_the_terms_does_not_matter() {
        let mut random = Random(0x5EED);
        for round in 0..300 {
            // given terms of every magnitude, some of which cancel
            let mut terms: Vec<f64> = (0..1 + round % 60).map(|_| random.number()).collect();
            let opposite: Vec<f64> =
                terms.iter().filter(|_| random.next().is_multiple_of(2)).map(|term| -term).collect();
            terms.extend(opposite);
            let expected = sum(&terms).to_bits();

            // when they are added in other orders, then the bits are the same
            for _ in 0..20 {
                random.shuffle(&mut terms);
                assert_eq!(sum(&terms).to_bits(), expected, "round {round}: {terms:?}");
            }
        }
    }

    /// Sums of integers below 2^90 are known exactly in i128, and its conversion to f64 rounds half to even.
    #[test]
    fn the_sum_is_the_one_that_integers_give() {
        let mut random = Random(0xF00D);
        for _ in 0..2000 {
            let mut exact = 0i128;
            let mut terms = Vec::new();
            for _ in 0..random.next() % 12 {
                let mantissa = (random.next() >> 11) as i64 * if random.next().is_multiple_of(2) { 1 } else { -1 };
                let shift = random.next() % 37;
                exact += i128::from(mantissa) << shift;
                terms.push(mantissa as f64 * (1u64 << shift) as f64);
            }
            check(&terms, exact as f64);
        }
    }

    #[test]
    fn many_partials_spill_and_come_back() {
        let terms: Vec<f64> = (0..40).map(|step| 2f64.powi(1000 - 50 * step)).collect();
        let mut sum = ExactSum::default();
        terms.iter().for_each(|term| sum.add(*term));
        assert!(sum.len > INLINE);
        for term in terms.iter().skip(1) {
            sum.add(-term);
        }
        assert_eq!(sum.value(), 2f64.powi(1000));
        assert_eq!(sum.len, 1);
    }

    #[test]
    fn a_cleared_sum_is_a_new_one() {
        let mut sum = ExactSum::default();
        (0..40).for_each(|step| sum.add(2f64.powi(1000 - 50 * step)));
        sum.clear();
        assert_eq!(sum.value(), 0.0);
        [0.1, 0.2].into_iter().for_each(|term| sum.add(term));
        assert_eq!(sum.value(), 0.1 + 0.2);
    }
}
