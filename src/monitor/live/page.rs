//! The page itself: one file with everything in it, put together when the program is built.

/// The whole page.
pub(super) const HTML: &str = concat!(
    include_str!("page/head.html"),
    "<style>\n",
    include_str!("page/page.css"),
    "</style>\n",
    include_str!("page/body.html"),
    "<script>\n\"use strict\";\n",
    include_str!("page/text.js"),
    include_str!("page/flow.js"),
    include_str!("page/chart.js"),
    include_str!("page/runs.js"),
    include_str!("page/page.js"),
    "</script>\n</body>\n</html>\n",
);
