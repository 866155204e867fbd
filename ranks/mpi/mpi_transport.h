#pragma once

#include <memory>
#include <string>

#include "ranks/transport.h"

namespace qsweep {

/// MPI for the lifetime of a process that mpirun or srun started. One at a time, on the main
/// thread.
class MpiSession {
 public:
  /// True when a launcher set this process up as a rank; without one qsweep runs as a single
  /// process.
  [[nodiscard]] static bool launched_by_mpi();

  /// @throws Error(resource) when MPI cannot start.
  MpiSession();
  /// Completes pending sends and finalizes; when a rank was given up, leaves without MPI_Finalize,
  /// which would wait for it forever.
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  [[nodiscard]] Transport& transport();
  /// The others cannot be reached any more: do not wait for them at the end.
  void abandon();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

[[nodiscard]] std::string mpi_library_version();

}  // namespace qsweep
