#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/node_memory.h"

#include "io/data/detail/fitted_pictures.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

constexpr std::int64_t kPictures = 12;

/// Runs `work` as another rank: a process of its own. @return its exit status: what `work` returns
class Rank {
 public:
  explicit Rank(const std::function<int()>& work) : process_(::fork()) {
    if (process_ == 0) {
      int status = 99;
      try {
        status = work();
      } catch (const Error& e) {
        fmt::print(stderr, "{}\n", e.what());
      }
      ::_exit(status);
    }
  }
  void kill() { ::kill(process_, SIGKILL); }
  int wait() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t process_;
};

/// One process tells others that it has come to a point.
class Signal {
 public:
  Signal() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void give() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void await() const {
    char c = 0;
    EXPECT_EQ(::read(ends_[0], &c, 1), 1);
  }

 private:
  int ends_[2];
};

/// A list of differing pictures; "node" stands for /dev/shm.
class SharedPicturesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Picture picture{40, 30, std::vector<std::uint8_t>(3 * 40 * 30)};
    std::string list;
    for (std::int64_t i = 0; i < kPictures; ++i) {
      for (std::size_t j = 0; j < picture.rgb.size(); ++j)
        picture.rgb[j] = static_cast<std::uint8_t>(j * 7 + static_cast<std::size_t>(i) * 31);
      const std::string name = fmt::format("{}.png", i);
      folder_.write(name, as_text(encode_png(picture)));
      list += fmt::format("{} {}\n", name, i);
    }
    folder_.write("list.txt", list);
    std::filesystem::create_directory(node_);
    input_.resize = ResizeSpec{.mode = "stretch", .size = {64, 48}};
    std::iota(all_.begin(), all_.end(), 0);
    const Tensor plain = open({})->images(all_);
    expected_.assign(plain.data<float>().begin(), plain.data<float>().end());
  }
  std::unique_ptr<Dataset> open(const NodeShare& share) {
    return open_dataset({"images", {folder_.path() / "list.txt"}}, input_, share);
  }
  NodeShare share(int ranks) { return {.run = "a run", .ranks = ranks, .folder = node_}; }
  bool gives_right_pixels(const Dataset& data) {
    const Tensor images = data.images(all_);
    return std::ranges::equal(images.data<float>(), expected_);
  }
  std::ptrdiff_t files_of_node() {
    return std::distance(std::filesystem::directory_iterator(node_), {});
  }
  /// The table that an open data set of `share` uses.
  std::unique_ptr<PictureTable> table(const NodeShare& share) {
    FittedPictures pictures(input_, "list");
    for (std::int64_t i = 0; i < kPictures; ++i)
      pictures.add((folder_.path() / fmt::format("{}.png", i)).string());
    return std::make_unique<PictureTable>(pictures.extents(), share, pictures.key());
  }

  testing::TempDir folder_;
  std::filesystem::path node_ = folder_.path() / "node";
  InputSpec input_;
  std::vector<std::int64_t> all_ = std::vector<std::int64_t>(kPictures);
  std::vector<float> expected_;
};

TEST_F(SharedPicturesTest, ranks_decode_each_picture_once_between_them) {
  for (int round = 0; round < 20; ++round) {
    const Signal opened, start, done;
    const auto rank = [&] {
      const auto data = open(share(3));
      opened.give();
      start.await();
      const bool right = gives_right_pixels(*data);
      done.give();
      return right ? 0 : 1;
    };
    Rank one(rank), two(rank);
    const auto data = open(share(3));
    opened.await();
    opened.await();
    EXPECT_EQ(files_of_node(), 0) << "the name outlives the last rank's opening";
    start.give();
    start.give();
    EXPECT_TRUE(gives_right_pixels(*data));
    done.await();
    done.await();
    EXPECT_EQ(data->decoding(),
              fmt::format("{} pictures decoded once for the 3 ranks of this node", kPictures));
    EXPECT_EQ(one.wait(), 0);
    EXPECT_EQ(two.wait(), 0);
  }
}

TEST_F(SharedPicturesTest, other_runs_and_other_fits_share_nothing) {
  const auto data = open(share(2));
  NodeShare other = share(2);
  other.run = "another run";
  const auto of_other_run = open(other);
  input_.resize->size = {48, 64};
  const auto of_other_fit = open(share(2));
  for (const auto* d : {&data, &of_other_run, &of_other_fit}) {
    EXPECT_EQ((*d)->images(all_).dim(0), kPictures);
    EXPECT_EQ((*d)->decoding().substr(0, 3), fmt::format("{} ", kPictures));
  }
}

TEST_F(SharedPicturesTest, what_a_killed_rank_was_decoding_is_decoded_by_another) {
  const Signal claimed;
  Rank victim([&] {
    const auto held = table(share(2));
    EXPECT_TRUE(held->claim(3));
    EXPECT_FALSE(held->claim(3));
    claimed.give();
    ::pause();
    return 1;
  });
  claimed.await();
  const auto data = open(share(2));
  victim.kill();
  EXPECT_EQ(victim.wait(), -1);
  EXPECT_EQ(files_of_node(), 0);
  EXPECT_TRUE(gives_right_pixels(*data));
  EXPECT_TRUE(gives_right_pixels(*data));
  EXPECT_EQ(data->decoding(),
            fmt::format("{} pictures decoded once for the 2 ranks of this node", kPictures));
}

TEST_F(SharedPicturesTest, a_picture_that_fails_for_one_rank_fails_for_each) {
  std::filesystem::resize_file(folder_.path() / "5.png", 60);
  const auto one = open(share(2)), two = open(share(2));
  for (const auto* data : {&one, &two, &one})
    EXPECT_NE(testing::error_text<Error>([&] { (void)(*data)->images(all_); }).find("5.png"),
              std::string::npos);
}

TEST_F(SharedPicturesTest, without_memory_to_share_each_rank_keeps_its_own) {
  NodeShare nowhere = share(2);
  nowhere.folder = node_ / "missing";
  const auto data = open(nowhere);
  EXPECT_TRUE(gives_right_pixels(*data));
  EXPECT_TRUE(gives_right_pixels(*data));
  const std::string text = data->decoding();
  EXPECT_EQ(text.find(fmt::format("{} pictures decoded by this rank for itself", kPictures)), 0u)
      << text;
  EXPECT_NE(text.find("missing"), std::string::npos) << text;
}

/// As when /dev/shm is full: the files of this process may grow no further.
void limit_files(rlim_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST_F(SharedPicturesTest, memory_that_cannot_grow_is_done_without) {
  Rank rank([&] {
    limit_files(1 << 10);
    const auto data = open(share(2));
    const bool right = gives_right_pixels(*data) && gives_right_pixels(*data);
    const bool own =
        data->decoding().find("decoded by this rank for itself (") != std::string::npos;
    return right && own && files_of_node() == 0 ? 0 : 1;
  });
  EXPECT_EQ(rank.wait(), 0);
}

/// Mounts a small /dev/shm for this process. @return false where that is not allowed
bool mount_small(const std::filesystem::path& folder, std::size_t bytes) {
  const std::string size = fmt::format("size={}", bytes);
  return ::unshare(CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER)) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
}

TEST_F(SharedPicturesTest, memory_that_runs_out_holds_what_it_can) {
  constexpr int kNotAllowed = 77;
  Rank rank([&] {
    // 16 MiB are for others, four pictures fit in the rest.
    if (!mount_small(node_, (16 << 20) + (64 << 10))) return kNotAllowed;
    const auto one = open(share(2)), two = open(share(2));
    for (const auto* data : {&one, &two, &one, &two})
      if (!gives_right_pixels(**data)) return 1;
    // The fifth was decoded before there turned out to be no room for it.
    const std::string expected = fmt::format(
        "5 pictures decoded once for the 2 ranks of this node, {} by this rank for itself: the "
        "node has no room",
        kPictures - 4);
    return one->decoding() == expected && two->decoding() == expected ? 0 : 2;
  });
  const int status = rank.wait();
  if (status == kNotAllowed) GTEST_SKIP() << "a file system cannot be mounted here";
  EXPECT_EQ(status, 0);
}

TEST_F(SharedPicturesTest, what_the_node_has_no_room_for_is_kept_by_the_rank) {
  const PictureTable::Extents few{.pictures = 8, .picture_bytes = 5000, .most_bytes = 3 * 8192};
  PictureTable held(few, share(2), "key");
  const std::vector<std::uint8_t> pixels(few.picture_bytes, 9);
  for (std::size_t i = 0; i < few.pictures; ++i) {
    EXPECT_EQ(held.is_full(), i >= 3) << i;
    EXPECT_TRUE(held.claim(i));
    held.publish(i, pixels);
    EXPECT_EQ(held.find(i) != nullptr, i < 3) << i;
  }
  EXPECT_EQ(held.decoded(), 8);
  EXPECT_TRUE(std::ranges::equal(std::span(held.find(2), few.picture_bytes), pixels));
}

TEST_F(SharedPicturesTest, nothing_is_left_on_the_node) {
  {
    const auto data = open(share(2));
    EXPECT_TRUE(gives_right_pixels(*data));
    EXPECT_EQ(files_of_node(), 1) << "the other rank has not come yet";
  }
  EXPECT_EQ(files_of_node(), 0) << "it never came";
  {
    const auto one = open(share(2)), two = open(share(2));
    EXPECT_EQ(files_of_node(), 0);
    EXPECT_TRUE(gives_right_pixels(*one) && gives_right_pixels(*two));
  }
  EXPECT_EQ(files_of_node(), 0);
}

TEST_F(SharedPicturesTest, what_a_killed_run_left_is_removed_by_the_next) {
  const Signal opened;
  Rank victim([&] {
    const auto data = open(share(2));
    opened.give();
    ::pause();
    return 1;
  });
  opened.await();
  NodeShare next = share(2);
  next.run = "the next run";
  const auto mine = open(next);
  EXPECT_EQ(files_of_node(), 2) << "the first run is alive";
  victim.kill();
  EXPECT_EQ(victim.wait(), -1);
  EXPECT_EQ(files_of_node(), 2);
  const auto again = open(next);
  EXPECT_EQ(files_of_node(), 0);
}

}  // namespace
}  // namespace qsweep
