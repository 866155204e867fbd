# Writes OUT: the page's parts as C++ strings (detail/assets.h). A raw string is cut into pieces so that
# no piece passes the 65,536 characters every compiler must take.
set(pieces_at 60000)

function(embed name file)
  file(READ ${file} text)
  string(LENGTH "${text}" length)
  set(body "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} ${pieces_at} piece)
    string(APPEND body "R\"qsweep(${piece})qsweep\"\n")
    math(EXPR at "${at} + ${pieces_at}")
  endwhile()
  set(result "${result}const std::string_view ${name} =\n${body};\n" PARENT_SCOPE)
endfunction()

set(result "#include \"io/report/detail/assets.h\"\n\nnamespace qsweep::report {\n")
embed(kPageHtml ${PAGE}/report.html)
embed(kPageStyle ${PAGE}/report.css)
embed(kPageScript ${PAGE}/report.js)
embed(kChartScript ${CHART})
file(WRITE ${OUT} "${result}}  // namespace qsweep::report\n")
