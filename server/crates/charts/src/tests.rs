use crate::scale::{Scale, short, spread};
use crate::{Amount, Bars, ChartError, Lines, Series, Waterfall, WaterfallStep, sparkline};

fn amounts(values: &[&str]) -> Vec<Amount> {
    values
        .iter()
        .map(|value| (!value.is_empty()).then(|| (*value).to_owned()))
        .collect()
}

fn labels(count: usize) -> Vec<String> {
    (1..=count).map(|at| at.to_string()).collect()
}

fn series(name: &str, values: &[&str]) -> Series {
    Series {
        name: name.to_owned(),
        values: amounts(values),
    }
}

fn lines<'a>(labels: &'a [String], series: &'a [Series]) -> Lines<'a> {
    Lines {
        id: "m",
        label_head: "Day",
        labels,
        series,
        second_is_prior: true,
        size: (640, 260),
    }
}

fn bars<'a>(labels: &'a [String], series: &'a [Series]) -> Bars<'a> {
    Bars {
        id: "b",
        label_head: "Month",
        labels,
        series,
        last_is_open: true,
        size: (640, 240),
    }
}

#[test]
fn a_scale_ends_on_few_round_steps() {
    let table: [(&[f64], usize, f64, f64); 6] = [
        (&[288_640.17, 12.0], 4, 0.0, 300_000.0),
        (&[418_200.0], 4, 0.0, 600_000.0),
        (&[-30.0, 90.0], 4, -50.0, 100.0),
        (&[0.0], 2, 0.0, 0.25),
        (&[-7.0], 5, -8.0, 0.0),
        (&[1e-9], 5, 0.0, 1e-9),
    ];
    for (values, most, low, high) in table {
        let scale = Scale::with_zero(values.iter().copied(), 100, 0);
        let ticks = scale.ticks();
        assert!(ticks.len() <= most.max(5), "{values:?} {ticks:?}");
        assert!(ticks[0] <= low + 1e-12 && ticks[ticks.len() - 1] >= high.min(values[0].max(0.0)));
        assert_eq!((scale.at(ticks[0]), scale.at(ticks[ticks.len() - 1])), (100, 0));
    }
}

#[test]
fn short_figures() {
    let table = [
        (0.0, "0"),
        (0.25, "0.25"),
        (1.5, "1.5"),
        (950.4, "950"),
        (999.6, "1k"),
        (12_500.0, "12.5k"),
        (392_400.0, "392.4k"),
        (999_960.0, "1M"),
        (-3_900.0, "\u{2212}3.9k"),
        (2.5e9, "2.5bn"),
    ];
    for (value, text) in table {
        assert_eq!(short(value), text);
    }
}

#[test]
fn labels_never_overlap() {
    let mut places = vec![(50, 0), (52, 1), (200, 2), (199, 3)];
    spread(&mut places, 15, 200);
    assert!(places.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 15), "{places:?}");
    assert!(places.iter().all(|(at, _)| *at <= 200));
}

#[test]
fn lines_carry_their_table_and_no_fixed_colour() {
    let labels = labels(3);
    let two = [
        series("November", &["10", "25.000000000000001", ""]),
        series("October", &["8", "", "30"]),
    ];
    let drawing = lines(&labels, &two).draw().expect("good points");
    assert_eq!(drawing.table.points[1].values[0].as_deref(), Some("25.000000000000001"));
    assert_eq!(drawing.table.points[2].ys[0], None);
    assert!(drawing.table.points[0].x < drawing.table.points[1].x);
    let svg = &drawing.svg;
    assert!(
        svg.starts_with("<svg class=\"chart\" viewBox=\"0 0 640 260\" role=\"img\""),
        "{svg}"
    );
    assert!(svg.contains("aria-labelledby=\"m-title m-summary\""));
    for banned in ["#", "style=", "font-family", " width=\"640\"", "\n"] {
        assert!(!svg.contains(banned), "{banned} in {svg}");
    }
    assert!(svg.contains("s-c1") && svg.contains("f-prior") && svg.contains("November 25"));
    assert_eq!(lines(&labels, &two).draw().expect("again"), drawing);
}

#[test]
fn a_bar_starts_at_zero_and_an_open_one_is_hatched() {
    let labels = labels(2);
    let one = [series("Cost", &["100", "40"])];
    let svg = bars(&labels, &one).draw().expect("good bars").svg;
    assert!(
        svg.contains("fill=\"url(#b-veil)\"") && svg.contains("id=\"b-veil\""),
        "{svg}"
    );
    assert!(svg.contains("so far"));
    let closed = Bars {
        last_is_open: false,
        ..bars(&labels, &one)
    };
    assert!(!closed.draw().expect("good bars").svg.contains("veil"));
}

#[test]
fn parts_stack_away_from_zero() {
    let labels = labels(1);
    let parts = [series("a", &["60"]), series("credit", &["-20"]), series("b", &["40"])];
    let table = bars(&labels, &parts).draw().expect("good bars").table;
    let ys: Vec<i32> = table.points[0].ys.iter().flatten().copied().collect();
    assert!(ys[2] < ys[0] && ys[0] < ys[1], "upwards is smaller: {ys:?}");
}

#[test]
fn a_waterfall_shows_change_with_sign_and_glyph() {
    let steps = [
        WaterfallStep {
            name: "more & more".into(),
            amount: "14900".into(),
        },
        WaterfallStep {
            name: "less".into(),
            amount: "-5200".into(),
        },
    ];
    let fall = Waterfall {
        id: "w",
        start: ("October", "392400"),
        steps: &steps,
        end: ("November", "402100"),
        amount_head: "Change, USD",
        width: 420,
    };
    let drawing = fall.draw().expect("good steps");
    for piece in [
        "\u{25B2} +14.9k",
        "\u{25BC} \u{2212}5.2k",
        "402.1k",
        "more &amp; more",
        "f-over",
        "f-save",
    ] {
        assert!(drawing.svg.contains(piece), "{piece} in {}", drawing.svg);
    }
    assert_eq!(drawing.table.points.len(), 4);
    assert_eq!(drawing.table.points[2].values[0].as_deref(), Some("-5200"));
}

#[test]
fn a_sparkline_is_small_and_tells_its_range() {
    let values = amounts(&["100", "120", "", "90", "110"]);
    let svg = sparkline(&values).expect("good amounts");
    assert!(svg.contains("aria-label=\"lowest 90, highest 120, last 110\""), "{svg}");
    assert_eq!(svg.matches('M').count(), 2, "a gap stays a gap: {svg}");
    assert_eq!(sparkline(&amounts(&["1", ""])).expect("one point"), "");
    assert!(!sparkline(&amounts(&["0", "0"])).expect("zeros").contains("NaN"));
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let two = labels(2);
    let short = [series("a", &["1"])];
    assert!(matches!(lines(&two, &short).draw(), Err(ChartError::Length { .. })));
    let words = [series("a", &["1", "x"])];
    assert!(matches!(lines(&two, &words).draw(), Err(ChartError::Amount(_))));
    let none = [series("a", &["", ""])];
    assert!(matches!(bars(&two, &none).draw(), Err(ChartError::Empty)));
    assert!(matches!(sparkline(&amounts(&["inf", "1"])), Err(ChartError::Amount(_))));
}
