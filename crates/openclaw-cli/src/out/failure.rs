//! The error pattern: what, where, next. The last line is where the eye rests,
//! so it is the command.

use super::colour::{Paint, Tone};
use super::line::Line;
use crate::failure::Failure;

/// Draws a failure for people.
pub(crate) fn draw(failure: &Failure, paint: Paint, width: usize) -> String {
    let mut lines = vec![Line::marked(Tone::Failed, "x", &failure.message)];
    if let Some(place) = &failure.place {
        let mut parts = Vec::new();
        if let Some(file) = &place.file {
            parts.push(match (place.line, place.column) {
                (Some(line), Some(column)) => format!("{file} line {line}, column {column}"),
                (Some(line), None) => format!("{file} line {line}"),
                (None, _) => file.clone(),
            });
        }
        if let Some(path) = &place.path {
            parts.push(path.clone());
        }
        if place.is_unchanged {
            parts.push("(unchanged)".to_owned());
        }
        let mut line = Line::new().tone(Tone::Dim, "  where  ").text(parts.join(" "));
        if let Some(now) = &place.now {
            line = line.tone(Tone::Dim, "      now  ").text(now);
        }
        lines.push(line);
    }
    // The first command is the last line of the block when there is only one, and
    // stands first among several: best first.
    for (at, next) in failure.next.iter().enumerate() {
        let label = if at == 0 { "  next   " } else { "         " };
        lines.push(Line::new().tone(Tone::Dim, label).tone(Tone::Strong, next));
    }
    lines.iter().map(|line| line.draw(paint, width) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::exit::Exit;
    use crate::failure::{Failure, Place};
    use crate::out::Paint;

    #[test]
    fn an_error_says_what_where_and_the_next_command() {
        let failure = Failure::new(Exit::Usage, "CONFIG_INVALID", "gateway.port must be a whole number, got 99999")
            .at(Place {
                file: Some("~/.openclaw/openclaw.json".to_owned()),
                line: Some(4),
                now: Some("18789".to_owned()),
                is_unchanged: true,
                ..Place::default()
            })
            .next("openclaw config set gateway.port 18790");
        assert_eq!(
            draw(&failure, Paint { is_on: false }, 80),
            "x  gateway.port must be a whole number, got 99999\n  \
               where  ~/.openclaw/openclaw.json line 4 (unchanged)      now  18789\n  \
               next   openclaw config set gateway.port 18790\n"
        );
    }
}
