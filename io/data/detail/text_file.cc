#include "io/data/detail/text_file.h"

#include "src/base/error.h"

#include "io/data/detail/data_file.h"

namespace qsweep {

std::string read_text(const std::filesystem::path& path) {
  using std::string_view_literals::operator""sv;
  const Bytes bytes = DataFile(path).contents();
  std::string_view text = as_text(bytes);
  const bool is_marked = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  if (is_marked || text.substr(0, 2).find('\0') != std::string_view::npos) {
    throw Error(ErrorCode::unsupported, "the text is in UTF-16 or UTF-32", path.string(),
                "Save it in UTF-8");
  }
  if (text.starts_with("\xEF\xBB\xBF"sv)) text.remove_prefix(3);
  return std::string(text);
}

}  // namespace qsweep
