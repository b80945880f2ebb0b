//! How many tokens a conversation may take with a model.

use openclaw_domain::catalog::ModelInfo;
use openclaw_domain::model::ModelChoice;
use openclaw_domain::ports::Catalog;

use super::estimate::Measured;

/// The window of a model that nobody described.
const WINDOW_DEFAULT: u64 = 128_000;

/// Kept free for the answer when the model does not say how long one may be.
const OUTPUT_DEFAULT: u64 = 8_192;

/// Kept free besides, so that there is room to act before the window is full.
const RESERVE_MAX: u64 = 20_000;

/// How far a measurement may correct the rule, in thousandths.
const CORRECTION: std::ops::RangeInclusive<u64> = 500..=4000;

/// A measurement below this part of the estimate is not one: some servers
/// report nothing, or a constant.
const PLAUSIBLE_PART: u64 = 8;

/// The window of a model, and what of it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tokens of prompt and answer together.
    pub(crate) window: u64,
    /// Kept free for the answer.
    output: u64,
    /// Kept free to have room to act.
    reserve: u64,
    /// Estimated tokens before the turns: system prompt and tools.
    fixed: u64,
    /// Real tokens per thousand estimated ones.
    correction: u64,
}

impl Budget {
    /// Makes the budget of the model that is wanted.
    pub(crate) fn of(catalog: &dyn Catalog, choice: &ModelChoice, fixed: u64) -> Self {
        let models = catalog.models();
        let info = models.iter().find(|info| info.model == choice.primary);
        Self::new(info, fixed)
    }

    /// Makes the budget of a model.
    pub(crate) fn new(info: Option<&ModelInfo>, fixed: u64) -> Self {
        let window = info.and_then(|info| info.context_window).map_or(WINDOW_DEFAULT, u64::from);
        let output = info.and_then(|info| info.output_tokens_max).map_or(OUTPUT_DEFAULT, u64::from);
        Self { window, output: output.min(window / 4), reserve: RESERVE_MAX.min(window / 5), fixed, correction: 1000 }
    }

    /// Corrects the estimates by what the last call really used.
    #[must_use]
    pub(crate) fn corrected(self, measured: Option<Measured>) -> Self {
        let estimated = |measured: Measured| self.fixed + measured.estimated;
        let Some(measured) = measured.filter(|measured| measured.tokens * PLAUSIBLE_PART > estimated(*measured)) else {
            return self;
        };
        let correction = (measured.tokens * 1000).div_ceil(estimated(measured).max(1));
        Self { correction: correction.clamp(*CORRECTION.start(), *CORRECTION.end()), ..self }
    }

    /// Returns how many real tokens estimated ones are.
    pub(crate) fn real(&self, estimated: u64) -> u64 {
        (estimated * self.correction).div_ceil(1000)
    }

    /// Returns how many estimated tokens fit into so many real ones.
    pub(crate) fn estimated(&self, real: u64) -> u64 {
        real * 1000 / self.correction
    }

    /// Returns how many estimated tokens the turns may take.
    pub(crate) fn room(&self) -> u64 {
        self.estimated(self.window - self.output - self.reserve).saturating_sub(self.fixed)
    }

    /// Tells whether turns of so many estimated tokens are too many.
    pub(crate) fn is_full(&self, shown: u64) -> bool {
        shown > self.room()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(window: u64) -> Budget {
        Budget { window, output: 1000, reserve: 500, fixed: 100, correction: 1000 }
    }

    #[test]
    fn turns_may_take_what_answer_reserve_and_system_prompt_leave() {
        let budget = budget(4000);
        assert_eq!(budget.room(), 2400);
        assert!(!budget.is_full(2400) && budget.is_full(2401));
    }

    #[test]
    fn the_last_real_usage_corrects_the_estimate_within_bounds() {
        let corrected = |tokens| budget(4000).corrected(Some(Measured { tokens, estimated: 900 })).correction;
        assert_eq!(corrected(2000), 2000);
        assert_eq!(corrected(700), 700);
        assert_eq!(corrected(200), 500);
        assert_eq!(corrected(90_000), 4000);
        assert_eq!(corrected(3), 1000, "a server that counts nothing corrects nothing");
    }
}
