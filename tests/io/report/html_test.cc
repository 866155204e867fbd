#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/report/report.h"

#include "tests/io/report/concluded.h"

namespace qsweep {
namespace {

/// Text between two markers, and the page without it.
std::string cut(std::string& page, const std::string& open, const std::string& close) {
  const std::size_t begin = page.find(open);
  EXPECT_NE(begin, std::string::npos) << open;
  const std::size_t end = page.find(close, begin + open.size());
  EXPECT_NE(end, std::string::npos) << close;
  const std::string inner = page.substr(begin + open.size(), end - begin - open.size());
  page.erase(begin, end + close.size() - begin);
  return inner;
}

TEST(HtmlTest, tags_balance) {
  std::string page = render_html(the_run(), its_conclusions());
  cut(page, "<style>", "</style>");
  cut(page, "<script type=\"application/json\" id=\"data\">", "</script>");
  cut(page, "<script>", "</script>");
  cut(page, "<script>", "</script>");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0U);
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-z][a-z0-9]*)[^>]*>");
  for (std::sregex_iterator it(page.begin(), page.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2];
    if (name == "meta") continue;
    if ((*it)[1].length() == 0) {
      open.push_back(name);
      continue;
    }
    ASSERT_FALSE(open.empty()) << "</" << name << ">";
    EXPECT_EQ(open.back(), name);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

TEST(HtmlTest, no_placeholder_is_left_and_every_id_the_script_asks_for_exists) {
  std::string page = render_html(the_run(), its_conclusions());
  cut(page, "<script type=\"application/json\" id=\"data\">", "</script>");
  cut(page, "<script>", "</script>");
  const std::string script = cut(page, "<script>", "</script>");
  EXPECT_EQ(page.find("{{"), std::string::npos);
  const std::regex use("byId\\('([a-z-]+)'\\)");
  int uses = 0;
  for (std::sregex_iterator it(script.begin(), script.end(), use), end; it != end; ++it, ++uses) {
    EXPECT_NE(page.find("id=\"" + (*it)[1].str() + "\""), std::string::npos) << (*it)[1];
  }
  EXPECT_GT(uses, 20);
  EXPECT_EQ(script.find("innerHTML"), std::string::npos) << "data must only ever become text";
}

TEST(HtmlTest, asks_for_nothing_from_elsewhere) {
  const std::string page = render_html(the_run(), its_conclusions());
  EXPECT_FALSE(std::regex_search(page, std::regex("(src|href)=[\"']?(https?:)?//")));
  for (const char* request :
       {"@import", "url(http", "fetch(", "XMLHttpRequest", "<link", "<iframe", "<img"}) {
    EXPECT_EQ(page.find(request), std::string::npos) << request;
  }
  EXPECT_NE(page.find("Chart.js v3"), std::string::npos)
      << "Chart.js is inside, with its licence notice";
}

TEST(HtmlTest, data_island_parses_and_cannot_close_its_element) {
  std::string page = render_html(the_run(), its_conclusions());
  const std::string island =
      cut(page, "<script type=\"application/json\" id=\"data\">", "</script>");
  EXPECT_EQ(island.find('<'), std::string::npos);
  const nlohmann::json data = nlohmann::json::parse(island);
  EXPECT_EQ(data["layers"][1]["name"], "conv2|</script>");
  EXPECT_EQ(data["schemes"].size(), 4U);  // float, two evaluated, one failed
  EXPECT_EQ(data["schemes"][3]["reason"], "NaN in conv2, image 17");
  EXPECT_EQ(data["classes"][1], "dog, small");
  EXPECT_EQ(data["cost_axis"], "latency_ms");
}

TEST(HtmlTest, holds_no_times_of_the_run) {
  RunResults run = small_run();
  const std::string before = render_html(run, conclude(run));
  run.ledger.ranks = 7;
  run.ledger.stage_seconds = {{"sweep", 99}};
  for (auto& e : run.evaluations) e.elapsed_s += 1;
  EXPECT_EQ(render_html(run, conclude(run)), before);
}

TEST(HtmlTest, escapes_the_title) {
  RunResults run = small_run();
  run.model.name = "<b>&\"";
  EXPECT_NE(render_html(run, conclude(run)).find("<title>&lt;b&gt;&amp;&quot; · qsweep</title>"),
            std::string::npos);
}

TEST(HtmlTest, a_page_of_very_many_schemes_keeps_those_that_matter) {
  RunResults results = small_run();
  const RunResults::Evaluation like = results.baseline;
  const std::size_t before = results.evaluations.size();
  for (int i = 0; i < 20'000; ++i) {
    RunResults::Evaluation e = like;
    e.kind = "scheme";
    e.id = "dominated" + std::to_string(i);
    e.on_front = i == 777;
    if (i == 5'001) {
      e.status = "failed";
      e.reason = "a reason";
    }
    results.evaluations.push_back(e);
  }
  std::string page = render_html(results, conclude(results));
  const auto data = nlohmann::json::parse(
      cut(page, "<script type=\"application/json\" id=\"data\">", "</script>"));
  const auto& drawn = data["schemes"];
  EXPECT_LT(drawn.size(), 2'100U);
  EXPECT_GT(drawn.size(), 1'500U);
  EXPECT_GT(data["evaluated"], 20'000);
  const auto has = [&](const std::string& id) {
    return std::ranges::any_of(drawn, [&](const auto& s) { return s["scheme_id"] == id; });
  };
  EXPECT_TRUE(has("dominated777"));
  EXPECT_TRUE(has("dominated5001"));
  EXPECT_TRUE(has(data["decision"]["recommended"]["scheme_id"]));
  for (std::size_t i = 0; i < before; ++i) {
    if (results.evaluations[i].on_front) {
      EXPECT_TRUE(has(results.evaluations[i].id));
    }
  }
}

}  // namespace
}  // namespace qsweep
