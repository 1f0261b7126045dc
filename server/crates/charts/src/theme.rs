//! Inks: drawn as fixed colours, sent as classes of the stylesheet.

use plotters::style::RGBColor;

/// What a mark means; the stylesheet gives it its colour in each theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// One of the six series colours, from 0.
    Series(usize),
    /// Everything else in one: rest series, totals.
    Other,
    /// The period compared with: grey and dashed.
    Prior,
    /// Stripes of the background over an unfinished period.
    Veil,
    /// Words that carry the finding.
    Text,
    /// Words on axes.
    Muted,
    /// Gridlines.
    Grid,
    /// The line at zero.
    Axis,
    /// More spend.
    Over,
    /// Less spend.
    Save,
}

/// Every ink with the colour it is drawn in (unique) and its class suffix.
const INKS: [(Ink, u32, &str); 15] = [
    (Ink::Series(0), 0x1F_5E_D9, "c1"),
    (Ink::Series(1), 0x9C_7C_0B, "c2"),
    (Ink::Series(2), 0x5F_2F_74, "c3"),
    (Ink::Series(3), 0x11_61_4D, "c4"),
    (Ink::Series(4), 0xCA_3E_70, "c5"),
    (Ink::Series(5), 0x97_1D_08, "c6"),
    (Ink::Other, 0x85_8C_96, "other"),
    (Ink::Prior, 0x5F_6B_7A, "prior"),
    (Ink::Veil, 0xFF_FF_FE, "veil"),
    (Ink::Text, 0x16_20_2C, "text"),
    (Ink::Muted, 0x4A_57_67, "muted"),
    (Ink::Grid, 0xD5_DB_E3, "grid"),
    (Ink::Axis, 0x7B_87_94, "axis"),
    (Ink::Over, 0xA6_3C_06, "over"),
    (Ink::Save, 0x0A_6B_78, "save"),
];

impl Ink {
    /// The ink of the series at `index`: six colours, then one for the rest.
    pub(crate) fn series(index: usize) -> Self {
        if index < 6 { Self::Series(index) } else { Self::Other }
    }

    /// The colour it is drawn in.
    pub(crate) fn colour(self) -> RGBColor {
        let hex = INKS.iter().find(|(ink, ..)| *ink == self).map_or(0, |(_, hex, _)| *hex);
        let byte = |shift: u32| u8::try_from((hex >> shift) & 0xFF).unwrap_or(u8::MAX);
        RGBColor(byte(16), byte(8), byte(0))
    }
}

/// Replaces the fixed colours by classes, drops the fixed size, and labels the
/// drawing for those who do not see it.
pub(crate) fn themed(raw: &str, id: &str, size: (u32, u32)) -> String {
    let mut svg = raw.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "");
    for (ink, hex, class) in INKS {
        if ink == Ink::Veil {
            svg = svg.replace(&format!("fill=\"#{hex:06X}\""), &format!("fill=\"url(#{id}-veil)\""));
        }
        svg = svg.replace(&format!("fill=\"#{hex:06X}\""), &format!("class=\"f-{class}\""));
        svg = svg.replace(&format!("stroke=\"#{hex:06X}\""), &format!("class=\"s-{class}\""));
    }
    let (width, height) = size;
    let plain = format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         xmlns=\"http://www.w3.org/2000/svg\">"
    );
    let labelled = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-summary\">"
    );
    svg = svg.replace(&plain, &labelled).replace(" font-family=\"ui\"", "");
    if svg.contains("-veil)") {
        let pattern = format!(
            "{labelled}<defs><pattern id=\"{id}-veil\" width=\"5\" height=\"5\" \
             patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <path class=\"s-veil\" d=\"M1 0v5\" stroke-width=\"2\"/></pattern></defs>"
        );
        svg = svg.replace(&labelled, &pattern);
    }
    svg.replace('\n', "")
}
