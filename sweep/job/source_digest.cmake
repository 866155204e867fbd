# Writes OUT, which defines source_digest(): a digest of the sources under SOURCE that decide numbers. Command lines,
# reports and ranks do not, so a run may be resumed with a program that differs in those only. Touches OUT only when
# the digest has changed.
file(GLOB_RECURSE sources RELATIVE ${SOURCE}
  ${SOURCE}/src/*.cc ${SOURCE}/src/*.h ${SOURCE}/io/data/*.cc ${SOURCE}/io/data/*.h ${SOURCE}/io/onnx/*.cc ${SOURCE}/io/onnx/*.h
  ${SOURCE}/sweep/*.cc ${SOURCE}/sweep/*.h ${SOURCE}/sweep/*.proto)
list(FILTER sources EXCLUDE REGEX "^src/(cli|results)/")
list(SORT sources)
set(digests "")
foreach(source ${sources})
  file(SHA256 ${SOURCE}/${source} digest)
  string(APPEND digests "${source} ${digest}\n")
endforeach()
string(SHA256 digest "${digests}")
string(SUBSTRING ${digest} 0 16 digest)
file(CONFIGURE OUTPUT ${OUT} CONTENT "#include \"sweep/job/source_digest.h\"

namespace qsweep {

std::string source_digest() {
  return \"${digest}\";
}

}  // namespace qsweep
")
