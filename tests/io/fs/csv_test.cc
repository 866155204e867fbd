#include "io/fs/csv.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows cells(std::string_view text) {
  Rows all;
  for (const CsvRow& row : parse_csv(text, "f")) all.push_back(row.cells);
  return all;
}

TEST(CsvTest, fields_are_quoted_only_when_they_must_be) {
  EXPECT_EQ(quote_csv("plain text"), "plain text");
  EXPECT_EQ(quote_csv("a,b"), "\"a,b\"");
  EXPECT_EQ(quote_csv("say \"a\""), "\"say \"\"a\"\"\"");
  EXPECT_EQ(quote_csv("two\nlines"), "\"two\nlines\"");
}

TEST(CsvTest, a_byte_order_mark_is_no_part_of_the_first_field) {
  EXPECT_EQ(cells("\xEF\xBB\xBF"
                  "a,b\n1,2\n"),
            (Rows{{"a", "b"}, {"1", "2"}}));
}

TEST(CsvTest, quoted_fields_read_back) {
  std::string text;
  const std::vector<std::string> fields = {"", "a", "a,b", "\"", "x\r\ny", "\"\"", "end"};
  for (const std::string& f : fields) text += (text.empty() ? "" : ",") + quote_csv(f);
  EXPECT_EQ(cells(",a\n"), (Rows{{"", "a"}}));
  EXPECT_EQ(cells("first," + text + "\n").at(0).size(), 7u);
  std::string line = "first";
  for (const std::string& f : fields) line += "," + quote_csv(f);
  Rows expected{{"first"}};
  expected[0].insert(expected[0].end(), fields.begin(), fields.end());
  EXPECT_EQ(cells(line), expected);
}

TEST(CsvTest, line_ends_of_all_systems_and_none_at_the_end) {
  EXPECT_EQ(cells("a,b\r\nc,d\n\ne,"), (Rows{{"a", "b"}, {"c", "d"}, {"e", ""}}));
  EXPECT_TRUE(cells("").empty());
}

TEST(CsvTest, a_row_says_on_which_line_it_begins) {
  const std::vector<CsvRow> rows = parse_csv("a\n\n\"b\nc\",d\ne\n", "f");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].line, 1u);
  EXPECT_EQ(rows[1].line, 3u) << "behind an empty line";
  EXPECT_EQ(rows[2].line, 5u) << "behind a cell of two lines";
}

TEST(CsvTest, misplaced_quotes_name_the_line) {
  EXPECT_EQ(testing::error_text<Error>([] { (void)parse_csv("a\nb,\"c\nd", "t.csv"); }),
            "a quoted field is not closed [t.csv:2]");
  EXPECT_EQ(testing::error_text<Error>([] { (void)parse_csv("a\n\"b\"c\n", "t.csv"); }),
            "text follows the end of a quoted field [t.csv:2]");
}

}  // namespace
}  // namespace qsweep
