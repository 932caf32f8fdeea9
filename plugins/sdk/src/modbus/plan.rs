//! Few requests instead of many.

/// A contiguous run of addresses in some table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First address.
    pub address: u16,
    /// How many.
    pub count: u16,
}

impl Span {
    /// The address after the last one.
    pub fn end(self) -> u32 {
        u32::from(self.address) + u32::from(self.count)
    }
}

/// The reads that cover all wanted spans of one table: sorted, none longer than `limit`, none bridging more than
/// `max_gap` unwanted addresses, and no wanted span torn in two. A span that is longer than the limit stays alone and
/// too long: it is for the caller to refuse.
pub fn plan_blocks(wanted: impl IntoIterator<Item = Span>, max_gap: u16, limit: u16) -> Vec<Span> {
    let mut wanted: Vec<Span> = wanted.into_iter().filter(|span| span.count > 0).collect();
    wanted.sort_unstable();
    let mut blocks: Vec<Span> = Vec::new();
    for span in wanted {
        if let Some(block) = blocks.last_mut() {
            let count = span.end().max(block.end()) - u32::from(block.address);
            let is_near = u32::from(span.address) <= block.end() + u32::from(max_gap);
            if let (true, Ok(count)) = (is_near, u16::try_from(count))
                && count <= limit
            {
                block.count = count;
                continue;
            }
        }
        blocks.push(span);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: &[(u16, u16)], max_gap: u16, limit: u16, expected: &[(u16, u16)]) {
        let spans = wanted.iter().map(|&(address, count)| Span { address, count });
        let blocks: Vec<_> =
            plan_blocks(spans, max_gap, limit).into_iter().map(|block| (block.address, block.count)).collect();
        assert_eq!(blocks, expected, "{wanted:?} with gaps to {max_gap} and {limit} at once");
    }

    #[test]
    fn neighbours_share_a_request() {
        check(&[(2, 2), (0, 2), (4, 2)], 0, 125, &[(0, 6)]);
        check(&[(0, 2), (0, 2), (1, 1)], 0, 125, &[(0, 2)]);
        check(&[(0, 4), (1, 1), (4, 1)], 0, 125, &[(0, 5)]);
    }

    #[test]
    fn a_gap_is_bridged_up_to_the_limit_and_not_beyond() {
        check(&[(0, 2), (10, 2)], 8, 125, &[(0, 12)]);
        check(&[(0, 2), (11, 2)], 8, 125, &[(0, 2), (11, 2)]);
    }

    #[test]
    fn no_request_is_longer_than_the_standard_allows_and_no_value_is_torn() {
        let pairs: Vec<_> = (0..100).map(|n| (2 * n, 2)).collect();
        check(&pairs, 0, 125, &[(0, 124), (124, 76)]);
    }

    #[test]
    fn the_last_register_can_be_read() {
        check(&[(65534, 2), (65530, 2)], 8, 125, &[(65530, 6)]);
        check(&[(0, 1), (65535, 1)], u16::MAX, u16::MAX, &[(0, 1), (65535, 1)]);
    }

    #[test]
    fn nothing_wanted_is_nothing_read() {
        check(&[], 8, 125, &[]);
        check(&[(5, 0)], 8, 125, &[]);
    }
}
