use proptest::prelude::*;

use super::*;

fn page(content_type: &str) -> Page {
    Page {
        content_type: content_type.into(),
        url: "https://a.example/".into(),
        mode: Mode::Markdown,
        readability: true,
    }
}

#[test]
fn content_types_are_split_and_judged() {
    assert_eq!(media_type("Text/HTML; Charset=\"GBK\"; x=y"), ("text/html".into(), Some("GBK".into())));
    assert_eq!(media_type(""), (String::new(), None));
    for kind in ["", "text/html", "application/json", "application/ld+json", "image/svg+xml"] {
        assert!(is_text(kind), "{kind}");
    }
    for kind in ["application/pdf", "image/png", "application/octet-stream"] {
        assert!(!is_text(kind), "{kind}");
    }
}

#[test]
fn a_declared_charset_is_found() {
    assert_eq!(declared(b"<meta charset=\"gbk\">").as_deref(), Some("gbk"));
    assert_eq!(declared(b"<meta content='text/html; charset=Shift_JIS'>").as_deref(), Some("shift_jis"));
    assert_eq!(declared(b"<p>charset=</p>"), None);
}

#[test]
fn stripping_drops_tags_scripts_and_comments() {
    let html = "<p>a &lt;b&gt; &amp;amp;</p><SCRIPT>if (x < 1) {}</script ><!-- <p>no</p> --><style>p{}</style>c<br>d";
    assert_eq!(strip(html), "a <b> &amp;    c d");
    assert_eq!(strip("a<script>never closed"), "a");
    assert_eq!(strip("a<b"), "a");
}

#[test]
fn open_tags_are_estimated_without_a_tree() {
    assert_eq!(open_tags("<div><p><p><br/><span>x</span></div>"), 2);
    assert_eq!(open_tags(&"<b>".repeat(9)), 9);
    assert_eq!(open_tags("a < b </p></p>"), 0);
    assert_eq!(open_tags("<svg><path d='M0'/><g><circle r=1 /></g></svg>"), 2);
    assert_eq!(open_tags("<div/><div/>"), 2);
}

#[test]
fn the_depth_of_a_tree_is_measured() {
    // Document, html and body come on top; the text is one level more.
    assert_eq!(depth(&Readability::from("<div><div>x</div></div>")), 5);
    assert_eq!(depth(&Readability::from("")), 2);
}

#[test]
fn a_page_without_an_article_is_shown_whole() {
    let shown = page("text/html").extract("<title>T</title><h1>Hi</h1><ul><li>one</ul>");
    assert_eq!(shown, Shown { title: Some("T".into()), text: "# Hi\n\n*   one".into(), extractor: "html" });
}

proptest! {
    #[test]
    fn no_page_panics(html in "(<[a-z!/]{0,6}[ >]|[a-z&;]{0,4}|</?(div|p|table|b|script)>){0,40}") {
        drop(strip(&html));
        let _ = open_tags(&html);
        drop(page("text/html").extract(&html));
    }
}
