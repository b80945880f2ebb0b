//! Request parameters by configuration, the part every provider has a word for.
//!
//! Read from four layers, each key on its own: `agents.defaults.params`, then
//! `params` of the provider, of its model, and of `agents.defaults.models.<ref>`.
//! Refuses values out of range and names keys it does not know. Called by `read`;
//! the encoders write what their dialect takes.

use serde_json::Value;

use super::Warning;

/// Most stop sequences; providers take no more than this.
const STOPS_MAX: usize = 4;

/// How an answer is to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Share of probability that is sampled from.
    pub top_p: Option<f64>,
    /// Number of tokens that are sampled from.
    pub top_k: Option<u32>,
    /// Makes sampling repeatable where the provider can.
    pub seed: Option<i64>,
    /// Favours new subjects.
    pub presence_penalty: Option<f64>,
    /// Disfavours repetition.
    pub frequency_penalty: Option<f64>,
    /// Texts that end the answer; empty for none.
    pub stop: Vec<String>,
    /// Most tokens to generate.
    pub output_tokens_max: Option<u32>,
}

impl Params {
    /// Returns these parameters, and those of a lower layer where these say nothing.
    #[must_use]
    pub(crate) fn over(self, lower: &Params) -> Params {
        Params {
            temperature: self.temperature.or(lower.temperature),
            top_p: self.top_p.or(lower.top_p),
            top_k: self.top_k.or(lower.top_k),
            seed: self.seed.or(lower.seed),
            presence_penalty: self.presence_penalty.or(lower.presence_penalty),
            frequency_penalty: self.frequency_penalty.or(lower.frequency_penalty),
            stop: if self.stop.is_empty() { lower.stop.clone() } else { self.stop },
            output_tokens_max: self.output_tokens_max.or(lower.output_tokens_max),
        }
    }

    /// Reads the object at `path`; what does not fit is named and left out.
    pub(super) fn read(section: Option<&Value>, path: &str, warnings: &mut Vec<Warning>) -> Params {
        let mut params = Params::default();
        let Some(section) = section.filter(|section| !section.is_null()) else { return params };
        let mut warn = |path: String, message: &str| warnings.push(Warning { path, message: message.to_owned() });
        let Some(section) = section.as_object() else {
            warn(path.to_owned(), "is not an object and is ignored");
            return params;
        };
        // Null takes a key back, as if it were not there.
        for (key, value) in section.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(expected) = params.put(key, value) {
                warn(format!("{path}.{key}"), expected);
            }
        }
        params
    }

    /// Takes one parameter; returns what was expected when it does not fit.
    fn put(&mut self, key: &str, value: &Value) -> Option<&'static str> {
        let within = |low: f64, high: f64| value.as_f64().filter(|number| (low..=high).contains(number));
        let count = || value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        let (fits, expected) = match key {
            "temperature" => {
                self.temperature = within(0.0, 2.0);
                (self.temperature.is_some(), "is ignored; expected a number from 0 to 2")
            }
            "topP" | "top_p" => {
                self.top_p = within(0.0, 1.0);
                (self.top_p.is_some(), "is ignored; expected a number from 0 to 1")
            }
            "topK" | "top_k" => {
                self.top_k = count();
                (self.top_k.is_some(), "is ignored; expected a whole number above 0")
            }
            "seed" => {
                self.seed = value.as_i64();
                (self.seed.is_some(), "is ignored; expected a whole number")
            }
            "presencePenalty" | "presence_penalty" => {
                self.presence_penalty = within(-2.0, 2.0);
                (self.presence_penalty.is_some(), "is ignored; expected a number from -2 to 2")
            }
            "frequencyPenalty" | "frequency_penalty" => {
                self.frequency_penalty = within(-2.0, 2.0);
                (self.frequency_penalty.is_some(), "is ignored; expected a number from -2 to 2")
            }
            "stop" | "stopSequences" => {
                self.stop = texts(value);
                (!self.stop.is_empty(), "is ignored; expected one to four texts")
            }
            "maxTokens" | "max_tokens" | "maxOutputTokens" => {
                self.output_tokens_max = count();
                (self.output_tokens_max.is_some(), "is ignored; expected a whole number above 0")
            }
            _ => (
                false,
                "is no parameter that is passed on; those are temperature, topP, topK, seed, presencePenalty, \
                 frequencyPenalty, stop and maxTokens",
            ),
        };
        (!fits).then_some(expected)
    }
}

fn texts(value: &Value) -> Vec<String> {
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice);
    let texts: Vec<String> =
        all.iter().filter_map(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned).collect();
    if texts.len() == all.len() && texts.len() <= STOPS_MAX { texts } else { Vec::new() }
}

/// Widens a number without the digits binary fractions would add.
pub(crate) fn widened(number: f32) -> f64 {
    (f64::from(number) * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(section: Value, expected: Params, paths: &[&str]) {
        let mut warnings = Vec::new();
        assert_eq!(Params::read(Some(&section), "p", &mut warnings), expected);
        assert_eq!(warnings.iter().map(|warning| warning.path.as_str()).collect::<Vec<_>>(), paths);
    }

    #[test]
    fn both_sides_of_each_bound_are_told_apart() {
        let warm = |temperature| Params { temperature, ..Params::default() };
        check(json!({ "temperature": 2 }), warm(Some(2.0)), &[]);
        check(json!({ "temperature": 2.01 }), warm(None), &["p.temperature"]);
        check(json!({ "temperature": "warm" }), warm(None), &["p.temperature"]);
        check(json!({ "top_p": 1, "topK": 0 }), Params { top_p: Some(1.0), ..Params::default() }, &["p.topK"]);
        let stops = |n: usize| json!({ "stop": vec!["x"; n] });
        check(stops(4), Params { stop: vec!["x".to_owned(); 4], ..Params::default() }, &[]);
        check(stops(5), Params::default(), &["p.stop"]);
        check(json!({ "stop": "x", "seed": null }), Params { stop: vec!["x".to_owned()], ..Params::default() }, &[]);
        check(json!({ "cacheRetention": "long" }), Params::default(), &["p.cacheRetention"]);
        check(json!([1]), Params::default(), &["p"]);
    }

    #[test]
    fn a_higher_layer_wins_key_by_key() {
        let high = Params { temperature: Some(0.1), ..Params::default() };
        let low = Params { temperature: Some(0.9), top_p: Some(0.5), ..Params::default() };
        assert_eq!(high.over(&low), Params { temperature: Some(0.1), top_p: Some(0.5), ..Params::default() });
    }

    #[test]
    fn a_widened_number_keeps_its_digits() {
        assert_eq!([widened(0.2), widened(1.0), widened(0.7)], [0.2, 1.0, 0.7]);
    }
}
